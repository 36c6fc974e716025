import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Node, Taint } from '../../api/types.gen.ts';
import { desiredTaints, NOT_READY, UNREACHABLE } from './taints.ts';

const NOW = Date.UTC(2026, 0, 1);

function node(conditions: Record<string, string>, taints: Taint[] = [], unschedulable = false): Node {
  return {
    metadata: { name: 'n1' },
    spec: { taints, ...(unschedulable ? { unschedulable } : {}) },
    status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) },
  };
}

const cases: { name: string; node: Node; noExecute?: string; expected: string[] | undefined }[] = [
  { name: 'ready and untainted', node: node({ Ready: 'True' }), expected: undefined },
  { name: 'not ready', node: node({ Ready: 'False' }), expected: [`${NOT_READY}:NoSchedule`] },
  {
    name: 'unknown, to be emptied',
    node: node({ Ready: 'Unknown' }),
    noExecute: UNREACHABLE,
    expected: [`${UNREACHABLE}:NoSchedule`, `${UNREACHABLE}:NoExecute`],
  },
  {
    name: 'ready again',
    node: node({ Ready: 'True' }, [
      { key: NOT_READY, effect: 'NoSchedule' },
      { key: UNREACHABLE, effect: 'NoExecute' },
      { key: 'mine', effect: 'NoExecute' },
    ]),
    expected: ['mine:NoExecute'],
  },
  {
    name: 'from not ready to unknown',
    node: node({ Ready: 'Unknown' }, [{ key: NOT_READY, effect: 'NoSchedule' }]),
    expected: [`${UNREACHABLE}:NoSchedule`],
  },
  {
    name: 'under pressure',
    node: node({ Ready: 'True', MemoryPressure: 'True', DiskPressure: 'False' }),
    expected: ['node.kubernetes.io/memory-pressure:NoSchedule'],
  },
  { name: 'cordoned', node: node({ Ready: 'True' }, [], true), expected: ['node.kubernetes.io/unschedulable:NoSchedule'] },
  { name: 'uncordoned', node: node({ Ready: 'True' }, [{ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }]), expected: [] },
  {
    name: 'as it should be',
    node: node({ Ready: 'False' }, [{ key: NOT_READY, effect: 'NoSchedule', timeAdded: '2020-01-01T00:00:00Z' }]),
    expected: undefined,
  },
  {
    name: 'the same key with an effect of others',
    node: node({ Ready: 'True' }, [{ key: NOT_READY, effect: 'PreferNoSchedule' }]),
    expected: undefined,
  },
];

for (const { name, node, noExecute, expected } of cases) {
  test(`taints of a node: ${name}`, () => {
    assert.deepEqual(
      desiredTaints(node, noExecute, NOW)?.map(({ key, effect }) => `${key}:${effect}`),
      expected,
    );
  });
}
