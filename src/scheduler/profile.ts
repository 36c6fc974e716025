import type { WeightedPlugin } from './framework.ts';
import { balancedAllocation } from './plugins/balanced-allocation.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { podTopologySpread, type WorkloadSelector } from './plugins/pod-topology-spread.ts';
import type { NamespaceLabels } from './plugins/pod-terms.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import type { BindingPlugin } from './framework.ts';

export interface ProfileSources {
  namespaceLabels: NamespaceLabels;
  workloadSelector: WorkloadSelector;
  volumes: BindingPlugin;
}

/** kube-scheduler's default plugins in its order (cheap and selective first) with its weights. */
export function defaultProfile({ namespaceLabels, workloadSelector, volumes }: ProfileSources): WeightedPlugin[] {
  return [
    { plugin: nodeUnschedulable, weight: 0 },
    { plugin: nodeName, weight: 0 },
    { plugin: taintToleration, weight: 3 },
    { plugin: nodeAffinity, weight: 2 },
    { plugin: nodePorts, weight: 0 },
    { plugin: nodeResourcesFit(), weight: 1 },
    { plugin: volumes, weight: 0 },
    { plugin: podTopologySpread(workloadSelector), weight: 2 },
    { plugin: interPodAffinity(namespaceLabels), weight: 2 },
    { plugin: balancedAllocation, weight: 1 },
    { plugin: imageLocality, weight: 1 },
  ];
}
