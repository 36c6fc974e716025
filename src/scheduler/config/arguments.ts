/** The arguments of plugins: their fields, and upstream's rules for their values. */
import type { Problems } from '../../api/validation/problems.ts';
import type { NodeAffinityArgs } from '../plugins/node-affinity.ts';
import type { InterPodAffinityArgs } from '../plugins/inter-pod-affinity.ts';
import type { BalancedAllocationArgs } from '../plugins/balanced-allocation.ts';
import type { NodeResourcesFitArgs } from '../plugins/node-resources-fit.ts';
import type { PodTopologySpreadArgs } from '../plugins/pod-topology-spread.ts';
import type { ResourceWeight, ShapePoint } from '../plugins/scoring-strategy.ts';
import type { VolumeBindingArgs } from '../plugins/volume-binding.ts';
import type { ProfileConfiguration } from './configuration.ts';
import type { Kind, Shape } from './shape.ts';
import { durationMs } from './shape.ts';

export interface DefaultPreemptionArgs {
  /** How many nodes are looked at before the best of them is taken: this share, and at least so many. */
  minCandidateNodesPercentage?: number;
  minCandidateNodesAbsolute?: number;
}

export interface DynamicResourcesArgs {
  filterTimeout?: string;
  bindingTimeout?: string;
}

export interface ArgumentsByPlugin {
  NodeResourcesFit: NodeResourcesFitArgs;
  NodeResourcesBalancedAllocation: BalancedAllocationArgs;
  NodeAffinity: NodeAffinityArgs;
  InterPodAffinity: InterPodAffinityArgs;
  PodTopologySpread: PodTopologySpreadArgs;
  VolumeBinding: VolumeBindingArgs;
  DefaultPreemption: DefaultPreemptionArgs;
  DynamicResources: DynamicResourcesArgs;
}

const RESOURCES: Kind = { list: { object: { name: 'text', weight: 'int' } } };
const SHAPE: Kind = { list: { object: { utilization: 'int', score: 'int' } } };

/** The fields by plugin. */
export const ARGUMENTS: Readonly<Record<string, Shape>> = {
  NodeResourcesFit: {
    ignoredResources: { list: 'text' },
    ignoredResourceGroups: { list: 'text' },
    scoringStrategy: { object: { type: 'text', resources: RESOURCES, requestedToCapacityRatio: { object: { shape: SHAPE } } } },
  },
  NodeResourcesBalancedAllocation: { resources: RESOURCES },
  NodeAffinity: { addedAffinity: 'any' },
  InterPodAffinity: { hardPodAffinityWeight: 'int', ignorePreferredTermsOfExistingPods: 'bool' },
  PodTopologySpread: {
    defaultConstraints: {
      list: {
        object: {
          maxSkew: 'int',
          topologyKey: 'text',
          whenUnsatisfiable: 'text',
          labelSelector: 'any',
          minDomains: 'int',
          nodeAffinityPolicy: 'text',
          nodeTaintsPolicy: 'text',
          matchLabelKeys: { list: 'text' },
        },
      },
    },
    defaultingType: 'text',
  },
  VolumeBinding: { bindTimeoutSeconds: 'int', shape: SHAPE },
  DefaultPreemption: { minCandidateNodesPercentage: 'int', minCandidateNodesAbsolute: 'int' },
  DynamicResources: { filterTimeout: 'duration', bindingTimeout: 'duration' },
};

/** The arguments that a profile gives a plugin; none when it gives none. Their form has been checked. */
export function argumentsOf<P extends keyof ArgumentsByPlugin>(profile: ProfileConfiguration, plugin: P): ArgumentsByPlugin[P] {
  const args: unknown = profile.pluginConfig?.find(({ name }) => name === plugin)?.args ?? {};
  return args as ArgumentsByPlugin[P];
}

type Check<P extends keyof ArgumentsByPlugin> = (args: ArgumentsByPlugin[P], path: string, problems: Problems) => void;

export function checkArguments(profiles: readonly ProfileConfiguration[], problems: Problems): void {
  for (const [index, profile] of profiles.entries()) {
    for (const [at, { name }] of (profile.pluginConfig ?? []).entries()) {
      if (!Object.hasOwn(CHECKS, name)) continue;
      const plugin = name as keyof ArgumentsByPlugin;
      (CHECKS[plugin] as Check<typeof plugin>)(argumentsOf(profile, plugin), `profiles[${index}].pluginConfig[${at}].args`, problems);
    }
  }
}

const CHECKS: { [P in keyof ArgumentsByPlugin]: Check<P> } = {
  NodeResourcesFit: checkFit,
  NodeResourcesBalancedAllocation: ({ resources = [] }, path, problems) => {
    for (const [index, { name, weight }] of resources.entries()) {
      if (weight !== 1) problems.invalid(`${path}.resources[${index}].weight`, weight, `resource weight of ${name} must be 1`);
    }
  },
  NodeAffinity: ({ addedAffinity }, path, problems) => {
    if (
      addedAffinity &&
      !addedAffinity.requiredDuringSchedulingIgnoredDuringExecution &&
      !addedAffinity.preferredDuringSchedulingIgnoredDuringExecution
    )
      problems.invalid(`${path}.addedAffinity`, addedAffinity, 'must have at least one term');
  },
  InterPodAffinity: ({ hardPodAffinityWeight: weight }, path, problems) => {
    if (weight !== undefined && (weight < 0 || weight > 100))
      problems.invalid(`${path}.hardPodAffinityWeight`, weight, 'not in valid range [0-100]');
  },
  PodTopologySpread: checkSpread,
  VolumeBinding: ({ bindTimeoutSeconds: seconds }, path, problems) => {
    if (seconds !== undefined && seconds < 0)
      problems.invalid(`${path}.bindTimeoutSeconds`, seconds, 'invalid BindTimeoutSeconds, should not be a negative value');
  },
  DefaultPreemption: ({ minCandidateNodesPercentage: percentage = 10, minCandidateNodesAbsolute: absolute = 100 }, path, problems) => {
    if (percentage < 0 || percentage > 100)
      problems.invalid(`${path}.minCandidateNodesPercentage`, percentage, 'not in valid range [0, 100]');
    if (absolute < 0) problems.invalid(`${path}.minCandidateNodesAbsolute`, absolute, 'not in valid range [0, inf)');
    if (percentage === 0 && absolute === 0)
      problems.invalid(
        path,
        'minCandidateNodesPercentage and minCandidateNodesAbsolute',
        'both minCandidateNodesPercentage and minCandidateNodesAbsolute cannot be zero',
      );
  },
  DynamicResources: ({ filterTimeout, bindingTimeout = '600s' }, path, problems) => {
    if (filterTimeout !== undefined && durationMs(filterTimeout)! < 0)
      problems.invalid(`${path}.filterTimeout`, filterTimeout, 'must be zero or positive');
    if (durationMs(bindingTimeout)! < 1000) problems.invalid(`${path}.bindingTimeout`, bindingTimeout, 'must be at least 1 second');
  },
};

function checkFit(
  { ignoredResources = [], ignoredResourceGroups = [], scoringStrategy }: NodeResourcesFitArgs,
  path: string,
  problems: Problems,
): void {
  for (const [index, name] of ignoredResources.entries())
    if (!/^[A-Za-z0-9./_-]+$/.test(name)) problems.invalid(`${path}.ignoredResources[${index}]`, name, 'must be a qualified name');
  for (const [index, name] of ignoredResourceGroups.entries())
    if (name.includes('/')) problems.invalid(`${path}.ignoredResourceGroups[${index}]`, name, "resource group name can't contain '/'");
  if (!scoringStrategy) return;
  const at = `${path}.scoringStrategy`;
  problems.oneOf(`${at}.type`, scoringStrategy.type, ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio']);
  checkWeights(`${at}.resources`, scoringStrategy.resources ?? [], problems);
  if (scoringStrategy.type !== 'RequestedToCapacityRatio') return;
  checkShapePoints(`${at}.requestedToCapacityRatio.shape`, scoringStrategy.requestedToCapacityRatio?.shape ?? [], problems);
}

function checkWeights(path: string, resources: readonly ResourceWeight[], problems: Problems): void {
  for (const [index, { name, weight }] of resources.entries())
    if (weight < 1 || weight > 100)
      problems.invalid(`${path}[${index}].weight`, weight, `resource weight of ${name} not in valid range [1, 100]`);
}

function checkShapePoints(path: string, shape: readonly ShapePoint[], problems: Problems): void {
  if (shape.length === 0) problems.required(path, 'at least one point must be specified');
  for (const [index, { utilization, score }] of shape.entries()) {
    if (utilization < 0 || utilization > 100) problems.invalid(`${path}[${index}].utilization`, utilization, 'not in valid range [0-100]');
    if (score < 0 || score > 10) problems.invalid(`${path}[${index}].score`, score, 'not in valid range [0-10]');
    if (index > 0 && utilization <= shape[index - 1]!.utilization)
      problems.invalid(`${path}[${index}].utilization`, utilization, 'utilization values must be sorted in increasing order');
  }
}

function checkSpread(
  { defaultConstraints = [], defaultingType = 'System' }: PodTopologySpreadArgs,
  path: string,
  problems: Problems,
): void {
  problems.oneOf(`${path}.defaultingType`, defaultingType, ['System', 'List']);
  if (defaultingType === 'System' && defaultConstraints.length > 0)
    problems.invalid(`${path}.defaultingType`, defaultingType, 'when .defaultConstraints are not empty');
  const seen = new Set<string>();
  for (const [index, { maxSkew, topologyKey, whenUnsatisfiable, labelSelector }] of defaultConstraints.entries()) {
    const at = `${path}.defaultConstraints[${index}]`;
    if (!(maxSkew > 0)) problems.invalid(`${at}.maxSkew`, maxSkew, 'not in valid range (0, inf)');
    if (!topologyKey) problems.required(`${at}.topologyKey`, 'can not be empty');
    problems.oneOf(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']);
    if (labelSelector) problems.forbidden(`${at}.labelSelector`, 'constraint must not define a selector, as they deduced for each pod');
    if (seen.has(`${topologyKey} ${whenUnsatisfiable}`)) problems.duplicate(at, `{${topologyKey}, ${whenUnsatisfiable}}`);
    seen.add(`${topologyKey} ${whenUnsatisfiable}`);
  }
}
