import { MAX_SCORE, type SchedulingPlugin } from '../framework.ts';
import { type Amounts, amountOf } from '../resources.ts';
import type { NodeInfo } from '../snapshot.ts';
import { DEFAULT_RESOURCES } from './node-resources-fit.ts';
import { isExtended, type ResourceWeight } from './scoring-strategy.ts';

export interface BalancedAllocationArgs {
  /** Which resources are balanced; CPU and memory unless given. Their weights must be 1. */
  resources?: readonly ResourceWeight[];
}

/** Prefers nodes whose resources would be used to a like degree: 100 minus the standard deviation of their shares. */
export function balancedAllocation({ resources = DEFAULT_RESOURCES }: BalancedAllocationArgs = {}): SchedulingPlugin {
  return {
    name: 'NodeResourcesBalancedAllocation',
    begin({ requests }) {
      const counted = resources.filter(({ name }) => !isExtended(name) || amountOf(requests, name) > 0);
      // A pod that asks for nothing cannot balance anything (as upstream since 1.28).
      if (counted.every(({ name }) => amountOf(requests, name) === 0)) return undefined;
      return {
        score: (node) => {
          if (resources === DEFAULT_RESOURCES) return scoreOfTwo(node, requests);
          const shares: number[] = [];
          for (const { name } of counted) {
            const total = amountOf(node.allocatable, name);
            if (total > 0) shares.push(Math.min((amountOf(node.requested, name) + amountOf(requests, name)) / total, 1));
          }
          return Math.trunc((1 - deviation(shares)) * MAX_SCORE);
        },
      };
    },
    sign: ({ requests }) => requests,
    wakesOn: () => false,
  };
}

/** CPU and memory, as nearly everywhere, without lists. */
function scoreOfTwo({ allocatable, requested }: NodeInfo, requests: Amounts): number {
  if (allocatable.cpu === 0 || allocatable.memory === 0) return MAX_SCORE;
  const cpu = Math.min((requested.cpu + requests.cpu) / allocatable.cpu, 1);
  const memory = Math.min((requested.memory + requests.memory) / allocatable.memory, 1);
  return Math.trunc((1 - Math.abs(cpu - memory) / 2) * MAX_SCORE);
}

function deviation(shares: readonly number[]): number {
  if (shares.length < 2) return 0;
  if (shares.length === 2) return Math.abs(shares[0]! - shares[1]!) / 2;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.sqrt(shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / shares.length);
}
