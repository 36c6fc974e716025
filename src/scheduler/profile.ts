/** The plugins of a profile: made from its configuration, each at the extension points where it is enabled. */
import { argumentsOf, type DefaultPreemptionArgs } from './config/arguments.ts';
import type { ProfileConfiguration } from './config/configuration.ts';
import { enabledPlugins } from './config/enabled.ts';
import type { SchedulingPlugin, WeightedPlugin } from './framework.ts';
import { NodeAnswers } from './node-answers.ts';
import { balancedAllocation } from './plugins/balanced-allocation.ts';
import type { DeviceObjects } from './plugins/dynamic-resources/device-objects.ts';
import { dynamicResources } from './plugins/dynamic-resources/dynamic-resources.ts';
import { imageLocality } from './plugins/image-locality.ts';
import { interPodAffinity } from './plugins/inter-pod-affinity.ts';
import { nodeAffinity } from './plugins/node-affinity.ts';
import { nodeName } from './plugins/node-name.ts';
import { nodePorts } from './plugins/node-ports.ts';
import { nodeResourcesFit } from './plugins/node-resources-fit.ts';
import { nodeUnschedulable } from './plugins/node-unschedulable.ts';
import { nodeVolumeLimits } from './plugins/node-volume-limits.ts';
import { podTopologySpread, type WorkloadSelector } from './plugins/pod-topology-spread.ts';
import type { NamespaceLabels } from './plugins/pod-terms.ts';
import { taintToleration } from './plugins/taint-toleration.ts';
import { volumeBinding } from './plugins/volume-binding.ts';
import type { VolumeObjects } from './plugins/volume-objects.ts';
import { volumeRestrictions } from './plugins/volume-restrictions.ts';
import { volumeZone } from './plugins/volume-zone.ts';

export interface ProfileSources {
  namespaceLabels: NamespaceLabels;
  workloadSelector: WorkloadSelector;
  volumes: VolumeObjects;
  devices: DeviceObjects;
  uuid(): string;
  /** Resources that only an extender minds (extenders[].managedResources with ignoredByScheduler). */
  ignoredResources?: readonly string[];
}

export interface Profile {
  schedulerName: string;
  plugins: readonly WeightedPlugin[];
  /** Pods with scheduling gates wait (SchedulingGates). */
  honoursGates: boolean;
  /** Less important pods may have to go (DefaultPreemption); undefined: they stay. */
  preemption?: DefaultPreemptionArgs;
  /** 0: by the size of the cluster. */
  percentageOfNodes: number;
  /** What the plugins said of nodes. */
  memory: NodeAnswers;
}

type Maker = (profile: ProfileConfiguration, sources: ProfileSources) => SchedulingPlugin;

const MAKERS: Readonly<Record<string, Maker>> = {
  NodeUnschedulable: () => nodeUnschedulable,
  NodeName: () => nodeName,
  TaintToleration: () => taintToleration,
  NodeAffinity: (profile) => nodeAffinity(argumentsOf(profile, 'NodeAffinity')),
  NodePorts: () => nodePorts,
  NodeResourcesFit: (profile, { ignoredResources = [] }) => {
    const args = argumentsOf(profile, 'NodeResourcesFit');
    return nodeResourcesFit({ ...args, ignoredResources: [...(args.ignoredResources ?? []), ...ignoredResources] });
  },
  VolumeRestrictions: (_, { volumes }) => volumeRestrictions(volumes),
  NodeVolumeLimits: (_, { volumes }) => nodeVolumeLimits(volumes),
  VolumeBinding: (profile, { volumes }) => volumeBinding(volumes, argumentsOf(profile, 'VolumeBinding')),
  VolumeZone: (_, { volumes }) => volumeZone(volumes),
  PodTopologySpread: (profile, { workloadSelector }) => podTopologySpread(workloadSelector, argumentsOf(profile, 'PodTopologySpread')),
  InterPodAffinity: (profile, { namespaceLabels }) => interPodAffinity(namespaceLabels, argumentsOf(profile, 'InterPodAffinity')),
  DynamicResources: (_, { devices, uuid }) => dynamicResources(devices, uuid),
  NodeResourcesBalancedAllocation: (profile) => balancedAllocation(argumentsOf(profile, 'NodeResourcesBalancedAllocation')),
  ImageLocality: () => imageLocality,
};

export function createProfile(configuration: ProfileConfiguration, percentageOfNodes: number, sources: ProfileSources): Profile {
  const enabled = enabledPlugins(configuration.plugins);
  const at = (name: string, point: 'preEnqueue' | 'postFilter'): boolean =>
    enabled.some((each) => each.name === name && each.points.has(point));
  return {
    schedulerName: configuration.schedulerName,
    plugins: enabled.flatMap(({ name, points, weight }) => {
      const make = MAKERS[name];
      return make ? [{ plugin: make(configuration, sources), weight, points }] : [];
    }),
    honoursGates: at('SchedulingGates', 'preEnqueue'),
    ...(at('DefaultPreemption', 'postFilter') ? { preemption: argumentsOf(configuration, 'DefaultPreemption') } : {}),
    percentageOfNodes: configuration.percentageOfNodesToScore ?? percentageOfNodes,
    memory: new NodeAnswers(),
  };
}
