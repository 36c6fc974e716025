import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, StatefulSet, StatefulSetSpec } from '../../api/types.gen.ts';
import { planSet } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);
const PARALLEL = { podManagementPolicy: 'Parallel' };

function statefulSet(spec: Partial<StatefulSetSpec>): StatefulSet {
  return { metadata: { name: 'db' }, spec: { replicas: 3, serviceName: 'db', selector: {}, template: {}, ...spec } };
}

/** `old` and `new` are revisions; `!` one that is not ready, `-` one that is going, `x` one that has ended. Ready for 30 seconds. */
function pod(text: string): Pod {
  const [, ordinal, revision, state] = /^(\d+) (old|new)([!x-]?)$/.exec(text)!;
  const ready = { type: 'Ready', status: state === '!' ? 'False' : 'True', lastTransitionTime: new Date(NOW - 30_000).toISOString() };
  return {
    metadata: {
      name: `db-${ordinal}`,
      labels: { 'controller-revision-hash': revision! },
      ...(state === '-' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [] },
    status: { phase: state === 'x' ? 'Failed' : 'Running', conditions: [ready] },
  };
}

const rolling = (partition: number, maxUnavailable?: number | string): Partial<StatefulSetSpec> => ({
  updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition, ...(maxUnavailable === undefined ? {} : { maxUnavailable }) } },
});

const CASES: { name: string; spec: Partial<StatefulSetSpec>; pods: string[]; create?: string[]; remove?: string[] }[] = [
  { name: 'the first comes first', spec: {}, pods: [], create: ['0 update'] },
  { name: 'the next when the one before is ready', spec: {}, pods: ['0 new!'] },
  { name: 'the next one', spec: {}, pods: ['0 new'], create: ['1 update'] },
  { name: 'the next waits for minReadySeconds', spec: { minReadySeconds: 60 }, pods: ['0 new'] },
  { name: 'in parallel all come', spec: PARALLEL, pods: ['1 new!'], create: ['0 update', '2 update'] },
  {
    name: 'ordinals begin where they are told',
    spec: { ...PARALLEL, replicas: 2, ordinals: { start: 5 } },
    pods: [],
    create: ['5 update', '6 update'],
  },
  { name: 'what is below the start goes', spec: { replicas: 2, ordinals: { start: 1 } }, pods: ['0 new', '1 new', '2 new'], remove: ['0'] },
  { name: 'what has ended is replaced', spec: PARALLEL, pods: ['0 newx', '1 new', '2 new'], remove: ['0'] },
  { name: 'the highest goes first', spec: { replicas: 1 }, pods: ['0 new', '1 new', '2 new'], remove: ['2'] },
  { name: 'one goes when the one before is gone', spec: { replicas: 1 }, pods: ['0 new', '1 new', '2 new-'] },
  { name: 'none goes while a lower one is not ready', spec: { replicas: 2 }, pods: ['0 new!', '1 new', '2 new'] },
  {
    name: 'in parallel all that are too many go',
    spec: { ...PARALLEL, replicas: 1 },
    pods: ['0 new', '1 new', '2 new'],
    remove: ['2', '1'],
  },
  { name: 'an update begins at the top', spec: rolling(0), pods: ['0 old', '1 old', '2 old'], remove: ['2'] },
  { name: 'an update goes on when that is ready', spec: rolling(0), pods: ['0 old', '1 old', '2 new'], remove: ['1'] },
  { name: 'an update waits for what is not ready', spec: { ...rolling(0), ...PARALLEL }, pods: ['0 old', '1 old', '2 new!'] },
  { name: 'an update stops at the partition', spec: rolling(2), pods: ['0 old', '1 old', '2 new'] },
  {
    name: 'a partition counts from the start',
    spec: { ...rolling(1), replicas: 2, ordinals: { start: 4 } },
    pods: ['4 old', '5 old'],
    remove: ['5'],
  },
  { name: 'below the partition the present revision is made', spec: rolling(2), pods: ['1 old', '2 new'], create: ['0 current'] },
  { name: 'two at a time', spec: rolling(0, 2), pods: ['0 old', '1 old', '2 old'], remove: ['2', '1'] },
  { name: 'a share of them', spec: { ...rolling(0, '50%'), ...PARALLEL }, pods: ['0 old', '1 old', '2 new!'], remove: ['1'] },
  { name: 'one that is down elsewhere counts', spec: { ...rolling(1, 2), ...PARALLEL }, pods: ['0 old!', '1 old', '2 old'], remove: ['2'] },
  {
    name: 'one that is down may go at any time',
    spec: { ...rolling(0, 1), ...PARALLEL },
    pods: ['0 old!', '1 old', '2 old'],
    remove: ['0'],
  },
  { name: 'OnDelete leaves it to others', spec: { updateStrategy: { type: 'OnDelete' } }, pods: ['0 old', '1 old', '2 old'] },
  {
    name: 'OnDelete makes the new revision',
    spec: { updateStrategy: { type: 'OnDelete' } },
    pods: ['1 old', '2 old'],
    create: ['0 update'],
  },
];

for (const { name, spec, pods, create = [], remove = [] } of CASES) {
  test(`a StatefulSet's next steps: ${name}`, () => {
    const plan = planSet(statefulSet(spec), pods.map(pod), { current: 'old', update: 'new' }, NOW);
    assert.deepEqual(
      plan.create.map(({ ordinal, revision }) => `${ordinal} ${revision}`),
      create,
    );
    assert.deepEqual(
      plan.delete.map(({ metadata }) => metadata.name),
      remove.map((ordinal) => `db-${ordinal}`),
    );
  });
}
