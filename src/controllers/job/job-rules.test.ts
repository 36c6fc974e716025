import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Job, JobSpec, Pod, PodFailurePolicyRule } from '../../api/types.gen.ts';
import { settle, statusOf, takeAccount } from './account.ts';
import { backoffMs, failuresByIndex } from './backoff.ts';
import { failureActionFor } from './failure-policy.ts';
import { formatIndexes, parseIndexes } from './indexes.ts';

const NOW = Date.UTC(2026, 0, 1);

function job(spec: Partial<JobSpec> = {}, status: Job['status'] = {}): Job {
  return {
    metadata: { name: 'pi', namespace: 'default', uid: 'job' },
    spec: { template: { spec: { containers: [] } }, completions: 5, ...spec },
    status,
  };
}

interface Traits {
  exitCode?: number;
  /** Seconds ago. */
  ended?: number;
  tracked?: boolean;
  annotations?: Record<string, string>;
  conditions?: string[];
  deleted?: boolean;
}

function pod(uid: string, { exitCode, ended = 0, tracked = true, annotations = {}, conditions = [], deleted = false }: Traits = {}): Pod {
  const finishedAt = new Date(NOW - ended * 1000).toISOString();
  const state = exitCode === undefined ? { running: {} } : { terminated: { exitCode, finishedAt } };
  return {
    metadata: {
      name: uid,
      namespace: 'default',
      uid,
      annotations,
      ...(tracked ? { finalizers: ['batch.kubernetes.io/job-tracking'] } : {}),
      ...(deleted ? { deletionTimestamp: finishedAt } : {}),
    },
    spec: { containers: [] },
    status: {
      phase: exitCode === undefined ? 'Running' : exitCode === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [{ name: 'main', image: '', imageID: '', ready: false, restartCount: 0, state }],
      conditions: conditions.map((type) => ({ type, status: 'True' })),
    },
  };
}

const INDEXES: [text: string, indexes: number[]][] = [
  ['', []],
  ['0', [0]],
  ['0,2-4,7', [0, 2, 3, 4, 7]],
  ['1-3', [1, 2, 3]],
];

for (const [text, indexes] of INDEXES) {
  test(`indexes "${text}"`, () => {
    assert.deepEqual([...parseIndexes(text)], indexes);
    assert.equal(formatIndexes(new Set(indexes.toReversed())), text);
  });
}

test('indexes beyond the number of completions are not read', () => {
  assert.deepEqual([...parseIndexes('0,2-4,7', 4)], [0, 2, 3]);
});

const RULES: { name: string; rules: PodFailurePolicyRule[]; pod: Traits; expected: string }[] = [
  { name: 'no rule', rules: [], pod: { exitCode: 1 }, expected: 'Count' },
  {
    name: 'a code in the list',
    rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }],
    pod: { exitCode: 42 },
    expected: 'FailJob',
  },
  {
    name: 'a code that is not',
    rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }],
    pod: { exitCode: 1 },
    expected: 'Count',
  },
  {
    name: 'NotIn',
    rules: [{ action: 'FailIndex', onExitCodes: { operator: 'NotIn', values: [42] } }],
    pod: { exitCode: 1 },
    expected: 'FailIndex',
  },
  {
    name: 'another container',
    rules: [{ action: 'FailJob', onExitCodes: { containerName: 'other', operator: 'In', values: [1] } }],
    pod: { exitCode: 1 },
    expected: 'Count',
  },
  {
    name: 'the first rule that matches',
    rules: [
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      { action: 'FailJob', onExitCodes: { operator: 'In', values: [1] } },
    ],
    pod: { exitCode: 1, conditions: ['DisruptionTarget'] },
    expected: 'Ignore',
  },
];

for (const { name, rules, pod: traits, expected } of RULES) {
  test(`failure policy: ${name}`, () =>
    assert.equal(failureActionFor(job({ podFailurePolicy: { rules } }), pod('a', traits)).action, expected));
}

test('an end is noted by uid, let go, then counted, and a pod that the cache still shows with its finalizer is not counted again', () => {
  const subject = job();
  const pods = [pod('good', { exitCode: 0 }), pod('bad', { exitCode: 1 }), pod('busy')];
  const first = takeAccount(subject, pods, new Set());
  assert.deepEqual([first.succeeded, first.failed, first.uncounted], [1, 1, { succeeded: ['good'], failed: ['bad'] }]);
  assert.deepEqual(statusOf(subject, settle(first)), { uncountedTerminatedPods: {}, succeeded: 1, failed: 1 });

  const noted = job({}, statusOf(subject, first));
  // Killed before the pods were let go: they still are to be.
  assert.deepEqual(
    takeAccount(noted, pods, new Set()).toRelease.map(({ metadata }) => metadata.uid),
    ['good', 'bad'],
  );
  // Killed after it: the entries are settled by the pods' lack of a finalizer.
  const free = pods.map(({ metadata, ...rest }) => ({ ...rest, metadata: { ...metadata, finalizers: [] } }));
  assert.deepEqual(statusOf(noted, takeAccount(noted, free, new Set())), { uncountedTerminatedPods: {}, succeeded: 1, failed: 1 });

  const counted = job({}, { uncountedTerminatedPods: {}, succeeded: 1, failed: 1 });
  const stale = takeAccount(counted, pods, new Set(['good', 'bad']));
  assert.deepEqual([stale.succeeded, stale.failed, stale.toRelease], [1, 1, []]);
});

test('a pod that is being deleted has failed, unless only ended pods are replaced', () => {
  const leaving = [pod('leaving', { deleted: true })];
  assert.equal(takeAccount(job(), leaving, new Set()).failed, 1);
  assert.equal(takeAccount(job({ podReplacementPolicy: 'Failed' }), leaving, new Set()).failed, 0);
});

test('failures in a row delay the next pod, and a success ends the row', () => {
  const failed = (ended: number): Pod => pod(`f${ended}`, { exitCode: 1, ended });
  assert.equal(backoffMs(job(), [pod('busy')], NOW), 0);
  assert.equal(backoffMs(job(), [failed(0)], NOW), 10_000);
  assert.equal(backoffMs(job(), [failed(30), failed(4)], NOW), 16_000);
  assert.equal(backoffMs(job(), [failed(30), pod('s', { exitCode: 0, ended: 20 }), failed(4)], NOW), 6000);
  assert.equal(backoffMs(job(), [failed(60)], NOW), 0);
});

test('with a limit for each index, each has a row of its own, and its last failed pod stays until there is another', () => {
  const at = (index: number, failures: number): Record<string, string> => ({
    'batch.kubernetes.io/job-completion-index': String(index),
    'batch.kubernetes.io/job-index-failure-count': String(failures),
  });
  const subject = job({ completionMode: 'Indexed', backoffLimitPerIndex: 1 });
  const once = pod('once', { exitCode: 1, annotations: at(0, 0) });
  const twice = pod('twice', { exitCode: 1, annotations: at(1, 1) });
  const account = takeAccount(subject, [once, twice], new Set());
  assert.deepEqual([account.failed, [...account.failedIndexes]], [2, [1]]);
  assert.deepEqual(
    account.toRelease.map(({ metadata }) => metadata.uid),
    ['twice'],
  );
  assert.deepEqual(failuresByIndex(subject, [once], NOW).get(0), { counted: 1, ignored: 0, waitMs: 10_000 });
  const next = pod('next', { annotations: at(0, 1) });
  assert.deepEqual(
    takeAccount(subject, [once, twice, next], new Set()).toRelease.map(({ metadata }) => metadata.uid),
    ['once', 'twice'],
  );
});
