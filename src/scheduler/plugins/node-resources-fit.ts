import type { Rejection, SchedulingPlugin } from '../framework.ts';
import { type Amounts, amountOf } from '../resources.ts';
import type { NodeInfo } from '../snapshot.ts';
import { isExtended, type ResourceWeight, type ScoringStrategy, strategyScore } from './scoring-strategy.ts';

export interface NodeResourcesFitArgs {
  /** Extended resources that are not looked at: another scheduler extender minds them. */
  ignoredResources?: readonly string[];
  /** The same for all names with this prefix before the slash. */
  ignoredResourceGroups?: readonly string[];
  scoringStrategy?: ScoringStrategy;
}

export const DEFAULT_RESOURCES: readonly ResourceWeight[] = [
  { name: 'cpu', weight: 1 },
  { name: 'memory', weight: 1 },
];

/** Room for the pod's requests and for one pod more; of the nodes with room, by default the emptiest is best. */
export function nodeResourcesFit({
  ignoredResources = [],
  ignoredResourceGroups = [],
  scoringStrategy = { type: 'LeastAllocated' },
}: NodeResourcesFitArgs = {}): SchedulingPlugin {
  const resources = scoringStrategy.resources?.length ? scoringStrategy.resources : DEFAULT_RESOURCES;
  const scoreOf = strategyScore(scoringStrategy);
  const isIgnored = (name: string): boolean =>
    isExtended(name) && (ignoredResources.includes(name) || ignoredResourceGroups.includes(name.split('/', 1)[0]!));
  return {
    name: 'NodeResourcesFit',
    begin: ({ requests, scoreRequests }) => {
      const isPlain = Object.keys(requests.scalars).length === 0;
      const counted = resources.filter(({ name }) => !isExtended(name) || amountOf(requests, name) > 0);
      return {
        filter: (node) => (isPlain && hasRoom(requests, node) ? undefined : lacking(requests, node, isIgnored)),
        score: (node) => {
          let sum = 0;
          let weights = 0;
          for (const { name, weight } of counted) {
            const allocatable = amountOf(node.allocatable, name);
            if (allocatable === 0) continue;
            const score = scoreOf(amountOf(node.scoreRequested, name) + amountOf(scoreRequests, name), allocatable);
            if (score === undefined) continue;
            sum += score * weight;
            weights += weight;
          }
          if (weights === 0) return 0;
          return scoringStrategy.type === 'RequestedToCapacityRatio' ? Math.round(sum / weights) : Math.floor(sum / weights);
        },
      };
    },
    sign: ({ requests, scoreRequests }) => [requests, scoreRequests],
    wakesOn: ({ resource, action, node }, { requests }) => {
      if (resource === 'AssignedPod') return action === 'delete' || action === 'update';
      if (resource === 'UnscheduledPod') return action === 'update';
      return resource === 'Node' && node !== undefined && lacking(requests, node, isIgnored) === undefined;
    },
  };
}

/** The common case without lists: CPU, memory, storage and one pod more. */
function hasRoom({ cpu, memory, storage }: Amounts, { allocatable, requested, pods, maxPods }: NodeInfo): boolean {
  return (
    pods.size < maxPods &&
    (cpu === 0 || cpu <= allocatable.cpu - requested.cpu) &&
    (memory === 0 || memory <= allocatable.memory - requested.memory) &&
    (storage === 0 || storage <= allocatable.storage - requested.storage)
  );
}

/** What the node has too little of; what it could never hold, even empty, no preemption can mend. */
function lacking(requests: Amounts, node: NodeInfo, isIgnored: (name: string) => boolean): Rejection | undefined {
  const { allocatable, requested } = node;
  const reasons: string[] = [];
  let hopeless = false;
  const need = (amount: number, free: number, total: number, name: string): void => {
    if (amount === 0 || amount <= free) return;
    reasons.push(`Insufficient ${name}`);
    if (amount > total) hopeless = true;
  };
  if (node.pods.size + 1 > node.maxPods) reasons.push('Too many pods');
  need(requests.cpu, allocatable.cpu - requested.cpu, allocatable.cpu, 'cpu');
  need(requests.memory, allocatable.memory - requested.memory, allocatable.memory, 'memory');
  need(requests.storage, allocatable.storage - requested.storage, allocatable.storage, 'ephemeral-storage');
  for (const [name, amount] of Object.entries(requests.scalars)) {
    if (isIgnored(name)) continue;
    const total = allocatable.scalars[name] ?? 0;
    need(amount, total - (requested.scalars[name] ?? 0), total, name);
  }
  if (reasons.length === 0) return undefined;
  return { code: hopeless ? 'UnschedulableAndUnresolvable' : 'Unschedulable', reasons };
}
