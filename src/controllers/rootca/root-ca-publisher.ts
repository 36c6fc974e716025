import { StatusError } from '../../api/status.ts';
import { runReconciler } from '../../client/loop.ts';
import { isNamespaceTerminating } from '../../client/namespace-terminating.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { CONFIG_MAPS, NAMESPACES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';

const NAME = 'kube-root-ca.crt';
const DESCRIPTION = 'kubernetes.io/description';
/** Upstream's words; tools compare the annotation. */
const DESCRIPTION_TEXT =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or ' +
  'kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Every namespace has the ConfigMap kube-root-ca.crt with the cluster's CA (PEM): the projected token volume of each pod mounts it. */
export function createRootCaPublisher(context: ComponentContext, { caCert }: { caCert: string }): Component[] {
  const { client } = context;
  const namespaces = client.informer(NAMESPACES);
  const published = client.informer(CONFIG_MAPS, { fieldSelector: `metadata.name=${NAME}` });
  const wanted = { data: { 'ca.crt': caCert }, annotations: { [DESCRIPTION]: DESCRIPTION_TEXT } };

  const reconciler = {
    name: 'root-ca-cert-publisher',
    concurrency: 4,
    setup(queue: { add(key: string): void }) {
      namespaces.subscribe({ added: ({ metadata }) => queue.add(metadata.name!), updated: ({ metadata }) => queue.add(metadata.name!) });
      const changed = ({ metadata }: { metadata: { namespace?: string } }): void => queue.add(metadata.namespace!);
      published.subscribe({ updated: changed, deleted: changed });
    },
    async reconcile(namespace: string) {
      if (namespaces.get(namespace)?.status?.phase !== 'Active') return;
      const current = published.get(`${namespace}/${NAME}`);
      const maps = client.resource(CONFIG_MAPS, namespace);
      if (!current) {
        return ifPossible(maps.create({ metadata: { name: NAME, namespace, annotations: wanted.annotations }, data: wanted.data }));
      }
      const same =
        Object.keys(current.data ?? {}).length === 1 && current.data?.['ca.crt'] === caCert && current.metadata.annotations?.[DESCRIPTION];
      if (same) return;
      const annotations = { ...current.metadata.annotations, ...wanted.annotations };
      await maps.update({ ...current, data: wanted.data, metadata: { ...current.metadata, annotations } });
    },
  };
  return [runReconciler(context, reconciler)];
}

/** Waits for `work`; that it exists already, or its namespace is going away, is taken for done. */
async function ifPossible(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(StatusError.is(error, 'AlreadyExists') || isNamespaceTerminating(error))) throw error;
  }
}
