import { MAX_SCORE, type SchedulingPlugin } from '../framework.ts';

/** Prefers nodes whose CPU and memory would be used to a like degree: 100 minus the deviation of the two shares. */
export const balancedAllocation: SchedulingPlugin = {
  name: 'NodeResourcesBalancedAllocation',
  begin({ requests }) {
    // A pod that asks for nothing cannot balance anything (as upstream since 1.28).
    if (requests.cpu === 0 && requests.memory === 0) return undefined;
    return {
      score: (node) => {
        const cpu = shareOf(node.requested.cpu + requests.cpu, node.allocatable.cpu);
        const memory = shareOf(node.requested.memory + requests.memory, node.allocatable.memory);
        return Math.floor((1 - Math.abs(cpu - memory) / 2) * MAX_SCORE);
      },
    };
  },
  wakesOn: () => false,
};

const shareOf = (used: number, total: number): number => (total === 0 ? 1 : Math.min(used / total, 1));
