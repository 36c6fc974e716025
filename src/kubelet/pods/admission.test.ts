import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../api/types.gen.ts';
import { rejectionOf } from './admission.ts';

const ALLOCATABLE = { pods: '3', cpu: '2', memory: '1Gi' };

function pod({ cpu, hostPort, hostIP, phase = 'Running' }: { cpu?: string; hostPort?: number; hostIP?: string; phase?: string } = {}): Pod {
  return {
    metadata: { name: 'p' },
    spec: {
      containers: [
        {
          name: 'c',
          ...(cpu ? { resources: { requests: { cpu } } } : {}),
          ...(hostPort ? { ports: [{ containerPort: 80, hostPort, protocol: 'TCP', ...(hostIP ? { hostIP } : {}) }] } : {}),
        },
      ],
    },
    status: { phase },
  };
}

const cases: [string, Pod, Pod[], string | undefined][] = [
  ['room enough', pod({ cpu: '1' }), [pod({ cpu: '1' })], undefined],
  [
    'too much cpu',
    pod({ cpu: '1500m' }),
    [pod({ cpu: '1' })],
    "OutOfcpu: Pod was rejected: Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
  ],
  ['what ended takes nothing', pod({ cpu: '2' }), [pod({ cpu: '1', phase: 'Succeeded' })], undefined],
  [
    'too many pods',
    pod(),
    [pod(), pod(), pod()],
    "OutOfpods: Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
  ],
  [
    'a port of the node that is taken',
    pod({ hostPort: 80 }),
    [pod({ hostPort: 80, hostIP: '127.0.0.1' })],
    "NodePorts: Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
  ],
  ['ports of other addresses', pod({ hostPort: 80, hostIP: '127.0.0.2' }), [pod({ hostPort: 80, hostIP: '127.0.0.1' })], undefined],
];

for (const [name, candidate, others, expected] of cases)
  test(name, () => {
    const rejection = rejectionOf(candidate, others, ALLOCATABLE);
    assert.equal(rejection && `${rejection.reason}: ${rejection.message}`, expected);
  });
