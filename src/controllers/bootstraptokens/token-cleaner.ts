import { keyOf } from '../../api/meta.ts';
import type { Secret } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { SECRETS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { expiryOf, TOKEN_SECRETS } from './bootstrap-token.ts';

/** Deletes bootstrap tokens when they expire. */
export function createTokenCleaner(context: ComponentContext): Component[] {
  const { client, clock } = context;
  const secrets = client.informer(SECRETS, TOKEN_SECRETS);
  const reconciler: Reconciler = {
    name: 'tokencleaner',
    setup(queue) {
      const note = (secret: Secret): void => {
        if (expiryOf(secret) !== undefined) queue.add(keyOf(secret));
      };
      secrets.subscribe({ added: note, updated: note });
    },
    async reconcile(key) {
      const secret = secrets.get(key);
      const expiry = secret && expiryOf(secret);
      if (expiry === undefined) return;
      if (expiry > clock.now()) return { afterMs: expiry - clock.now() };
      const { namespace, name, uid } = secret!.metadata;
      await unlessGone(client.resource(SECRETS, namespace).delete(name!, { preconditions: { uid: uid! } }));
    },
  };
  return [runReconciler(context, reconciler)];
}
