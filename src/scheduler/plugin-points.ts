/** Every plugin in the order of kube-scheduler's default profile (cheap and selective first), with where it takes part and its default weight. */
import type { ExtensionPoint } from './framework.ts';

interface PluginFacts {
  name: string;
  points: readonly ExtensionPoint[];
  weight: number;
}

export const DEFAULT_PLUGINS: readonly PluginFacts[] = [
  { name: 'SchedulingGates', points: ['preEnqueue'], weight: 0 },
  { name: 'PrioritySort', points: ['queueSort'], weight: 0 },
  { name: 'NodeUnschedulable', points: ['filter'], weight: 0 },
  { name: 'NodeName', points: ['filter'], weight: 0 },
  { name: 'TaintToleration', points: ['filter', 'preScore', 'score'], weight: 3 },
  { name: 'NodeAffinity', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  { name: 'NodePorts', points: ['preFilter', 'filter'], weight: 0 },
  { name: 'NodeResourcesFit', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 1 },
  { name: 'VolumeRestrictions', points: ['preFilter', 'filter'], weight: 0 },
  { name: 'NodeVolumeLimits', points: ['preFilter', 'filter'], weight: 0 },
  { name: 'VolumeBinding', points: ['preFilter', 'filter', 'reserve', 'preBind', 'preScore', 'score'], weight: 0 },
  { name: 'VolumeZone', points: ['preFilter', 'filter'], weight: 0 },
  { name: 'PodTopologySpread', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  { name: 'InterPodAffinity', points: ['preFilter', 'filter', 'preScore', 'score'], weight: 2 },
  { name: 'DynamicResources', points: ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'score', 'reserve', 'preBind'], weight: 2 },
  { name: 'DefaultPreemption', points: ['preEnqueue', 'postFilter'], weight: 0 },
  { name: 'NodeResourcesBalancedAllocation', points: ['preScore', 'score'], weight: 1 },
  { name: 'ImageLocality', points: ['score'], weight: 1 },
  { name: 'DefaultBinder', points: ['bind'], weight: 0 },
];

/** Where each plugin may be enabled. */
export const PLUGIN_POINTS: ReadonlyMap<string, ReadonlySet<ExtensionPoint>> = new Map(
  DEFAULT_PLUGINS.map(({ name, points }) => [name, new Set(points)]),
);
