import type { Rejection, SchedulingPlugin } from '../framework.ts';
import type { Amounts } from '../resources.ts';
import type { NodeInfo } from '../snapshot.ts';

export type ScoringStrategy = 'LeastAllocated' | 'MostAllocated';

/** Room for the pod's requests and for one pod more; of the nodes with room, by default the emptiest is best. */
export function nodeResourcesFit(strategy: ScoringStrategy = 'LeastAllocated'): SchedulingPlugin {
  return {
    name: 'NodeResourcesFit',
    begin: ({ requests, scoreRequests }) => ({
      filter: (node) => lacking(requests, node),
      score: (node) => {
        const cpu = share(node.scoreRequested.cpu + scoreRequests.cpu, node.allocatable.cpu, strategy);
        const memory = share(node.scoreRequested.memory + scoreRequests.memory, node.allocatable.memory, strategy);
        return Math.floor((cpu + memory) / 2);
      },
    }),
    wakesOn: ({ resource, action, node }, { requests }) => {
      if (resource === 'AssignedPod') return action === 'delete' || action === 'update';
      return resource === 'Node' && node !== undefined && lacking(requests, node) === undefined;
    },
  };
}

function share(used: number, allocatable: number, strategy: ScoringStrategy): number {
  if (allocatable === 0 || used > allocatable) return 0;
  return Math.floor(((strategy === 'LeastAllocated' ? allocatable - used : used) * 100) / allocatable);
}

/** What the node has too little of; what it could never hold, even empty, no preemption can mend. */
function lacking(requests: Amounts, node: NodeInfo): Rejection | undefined {
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
    const total = allocatable.scalars[name] ?? 0;
    need(amount, total - (requested.scalars[name] ?? 0), total, name);
  }
  if (reasons.length === 0) return undefined;
  return { code: hopeless ? 'UnschedulableAndUnresolvable' : 'Unschedulable', reasons };
}
