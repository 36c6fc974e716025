import { StatusError } from '../../api/status.ts';
import { runReconciler } from '../../client/loop.ts';
import { isNamespaceTerminating } from '../../client/namespace-terminating.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { NAMESPACES, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';

const DEFAULT = 'default';

/** Every namespace that is not going away has the service account `default`, which pods run as unless they name another. */
export function createServiceAccountController(context: ComponentContext): Component[] {
  const { client } = context;
  const namespaces = client.informer(NAMESPACES);
  const accounts = client.informer(SERVICE_ACCOUNTS);
  const reconciler = {
    name: 'service-account-controller',
    concurrency: 4,
    setup(queue: { add(key: string): void }) {
      namespaces.subscribe({ added: ({ metadata }) => queue.add(metadata.name!), updated: ({ metadata }) => queue.add(metadata.name!) });
      accounts.subscribe({ deleted: ({ metadata }) => metadata.name === DEFAULT && queue.add(metadata.namespace!) });
    },
    async reconcile(namespace: string) {
      const phase = namespaces.get(namespace)?.status?.phase;
      if (phase !== 'Active' || accounts.get(`${namespace}/${DEFAULT}`)) return;
      try {
        await client.resource(SERVICE_ACCOUNTS, namespace).create({ metadata: { name: DEFAULT, namespace } });
      } catch (error) {
        if (!(StatusError.is(error, 'AlreadyExists') || isNamespaceTerminating(error))) throw error;
      }
    },
  };
  return [runReconciler(context, reconciler)];
}
