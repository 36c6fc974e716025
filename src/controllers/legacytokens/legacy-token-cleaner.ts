import type { Pod, Secret } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';

/** Written by the API server: since when it notes the use of such tokens, and when each was used last. */
const TRACKING = 'kube-apiserver-legacy-service-account-token-tracking';
const LAST_USED = 'kubernetes.io/legacy-token-last-used';
const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since';
const ACCOUNT = 'kubernetes.io/service-account.name';

const DAY_MS = 86_400_000;
/** kube-controller-manager's --legacy-service-account-token-clean-up-period. */
const UNUSED_MS = 365 * DAY_MS;
const ALL = 'all';

/**
 * Marks service account tokens that were made for an account by older clusters (it lists them in `secrets`) as invalid when nobody used them
 * for a year, and deletes them a year later (KEP-2799). Looks once a day, and only while there are such tokens.
 */
export function createLegacyTokenCleaner(context: ComponentContext): Component[] {
  const { client, clock } = context;
  const secrets = client.informer(SECRETS, { fieldSelector: 'type=kubernetes.io/service-account-token' });
  const accounts = client.informer(SERVICE_ACCOUNTS);
  const pods = client.informer(PODS);
  const tracking = client.informer(CONFIG_MAPS, { namespace: 'kube-system', fieldSelector: `metadata.name=${TRACKING}` });

  const belongsToAccount = ({ metadata: { namespace, name, annotations } }: Secret): boolean =>
    accounts.get(`${namespace}/${annotations?.[ACCOUNT]}`)?.secrets?.some((reference) => reference.name === name) === true;
  const settle = async (secret: Secret, keptFrom: number): Promise<void> => {
    const { namespace, name, uid, resourceVersion, labels = {} } = secret.metadata;
    const calls = client.resource(SECRETS, namespace);
    const invalidSince = Date.parse(labels[INVALID_SINCE] ?? '');
    if (Number.isNaN(invalidSince)) {
      const metadata = { resourceVersion, labels: { [INVALID_SINCE]: dateOf(clock.now()) } };
      await unlessGone(calls.patch(name!, 'merge', { metadata }));
    } else if (invalidSince < dayOf(keptFrom)) {
      await unlessGone(calls.delete(name!, { preconditions: { uid: uid!, resourceVersion: resourceVersion! } }));
    }
  };
  const reconciler: Reconciler = {
    name: 'legacy-service-account-token-cleaner',
    setup(queue) {
      secrets.subscribe({ added: () => queue.add(ALL) });
      tracking.subscribe({ added: () => queue.add(ALL) });
    },
    async reconcile() {
      const all = secrets.list();
      const since = Date.parse(tracking.get(`kube-system/${TRACKING}`)?.data?.['since'] ?? '');
      if (all.length === 0 || Number.isNaN(since)) return undefined;
      // The date is a day, and anything may have happened on it: a day later all use since then is known.
      const keptFrom = clock.now() - UNUSED_MS;
      if (since + DAY_MS <= keptFrom)
        for (const secret of all)
          if (isUnused(secret, keptFrom) && belongsToAccount(secret) && !isMounted(secret, pods)) await settle(secret, keptFrom);
      return { afterMs: DAY_MS };
    },
  };
  return [runReconciler(context, reconciler)];
}

function isUnused({ metadata: { creationTimestamp, deletionTimestamp, labels } }: Secret, keptFrom: number): boolean {
  if (deletionTimestamp || Date.parse(creationTimestamp ?? '') >= keptFrom) return false;
  const lastUsed = Date.parse(labels?.[LAST_USED] ?? '');
  return Number.isNaN(lastUsed) || lastUsed < dayOf(keptFrom);
}

function isMounted({ metadata: { namespace, name } }: Secret, pods: Informer<Pod>): boolean {
  return pods.listNamespace(namespace!).some(({ spec }) => spec?.volumes?.some(({ secret }) => secret?.secretName === name));
}

/** `2026-01-31`, as the labels have it. */
function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function dayOf(ms: number): number {
  return Date.parse(dateOf(ms));
}
