import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContainerStatus, Pod, PodCondition } from '../api/types.gen.ts';
import { podRequests } from './resources.ts';

/** A pod that wants 2 cores, with what its node says of it. */
function pod(status: Partial<ContainerStatus>, conditions: PodCondition[] = []): Pod {
  return {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: '2', memory: '1Gi', 'example.com/gpu': '1' } } }] },
    status: { conditions, containerStatuses: [{ name: 'c', ...status } as ContainerStatus] },
  };
}

const of = (cpu: string): Record<string, string> => ({ cpu, memory: '1Gi' });
const infeasible: PodCondition = { type: 'PodResizePending', status: 'True', reason: 'Infeasible' };

describe('what a pod takes of its node while it is resized', () => {
  const cases: [string, Pod, number][] = [
    ['what it wants, before it runs', pod({}), 2000],
    ['the same in other words', pod({ allocatedResources: of('2000m'), resources: { requests: of('2') } }), 2000],
    ['what it wants, while it waits for room', pod({ allocatedResources: of('1'), resources: { requests: of('1') } }), 2000],
    ['what it has, while it shrinks', pod({ allocatedResources: of('2'), resources: { requests: of('3') } }), 3000],
    ['what it was promised', pod({ allocatedResources: of('4'), resources: { requests: of('3') } }), 4000],
    ['not what it can never get', pod({ allocatedResources: of('1'), resources: { requests: of('500m') } }, [infeasible]), 1000],
  ];
  for (const [name, given, expected] of cases)
    it(name, () => {
      const requests = podRequests(given);
      assert.equal(requests.cpu, expected);
      assert.deepEqual([requests.memory, requests.scalars], [2 ** 30, { 'example.com/gpu': 1 }]);
    });
});
