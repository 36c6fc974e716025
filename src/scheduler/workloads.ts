import { EVERYTHING, type LabelSelector, labelSelectorOf, labelSelectorOfMap } from '../api/selectors.ts';
import type { LabelSelectorRequirement, Pod, ReplicaSet, ReplicationController, Service, StatefulSet } from '../api/types.gen.ts';
import type { Informer } from '../client/informer.ts';
import type { WorkloadSelector } from './plugins/pod-topology-spread.ts';

export interface WorkloadInformers {
  services: Informer<Service>;
  replicaSets: Informer<ReplicaSet>;
  statefulSets: Informer<StatefulSet>;
  replicationControllers: Informer<ReplicationController>;
}

/** Pods that belong together by default: those of the Services that select this pod and of the controller that owns it. */
export function workloadSelector({ services, replicaSets, statefulSets, replicationControllers }: WorkloadInformers): WorkloadSelector {
  return (pod) => {
    const { namespace, labels } = pod.metadata;
    const pairs: Record<string, string> = {};
    for (const service of services.listNamespace(namespace!)) {
      const selector = service.spec?.selector;
      if (selector && Object.keys(selector).length > 0 && labelSelectorOfMap(selector).matchesLabels(labels))
        Object.assign(pairs, selector);
    }
    const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller);
    const key = `${namespace}/${owner?.name}`;
    if (owner?.kind === 'ReplicationController') Object.assign(pairs, replicationControllers.get(key)?.spec?.selector);
    const owned = owner?.kind === 'ReplicaSet' ? replicaSets.get(key) : owner?.kind === 'StatefulSet' ? statefulSets.get(key) : undefined;
    return combine({ ...pairs, ...owned?.spec?.selector.matchLabels }, owned?.spec?.selector.matchExpressions ?? []);
  };
}

function combine(matchLabels: Record<string, string>, matchExpressions: LabelSelectorRequirement[]): LabelSelector | undefined {
  if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return undefined;
  const selector = labelSelectorOf({ matchLabels, matchExpressions });
  return selector === EVERYTHING ? undefined : selector;
}

/** Whether the pod waits for somebody to lift a gate. */
export const isGated = (pod: Pod): boolean => (pod.spec!.schedulingGates?.length ?? 0) > 0;

export const isTerminal = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
