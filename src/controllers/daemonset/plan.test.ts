import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSet, Node, Pod, RollingUpdateDaemonSet } from '../../api/types.gen.ts';
import { nodeStates, planNodes, planUpdate } from './plan.ts';

const NOW = Date.UTC(2026, 0, 1);

function daemonSet(rollingUpdate: RollingUpdateDaemonSet = { maxUnavailable: 1 }): DaemonSet {
  const template = { spec: { containers: [] } };
  return { metadata: { name: 'agent' }, spec: { selector: {}, template, updateStrategy: { type: 'RollingUpdate', rollingUpdate } } };
}

const node = (name: string, spec: Node['spec'] = {}): Node => ({ metadata: { name }, spec });

/** On node `n1` by the name `n1 old`; `!` is not ready, `-` is going, `x` failed, `.` succeeded. */
function pod(text: string): Pod {
  const [, nodeName, revision, state] = /^(\S+) (old|new)([!x.-]?)$/.exec(text)!;
  return {
    metadata: {
      name: text,
      creationTimestamp: revision === 'old' ? '2025-12-01T00:00:00Z' : '2025-12-31T00:00:00Z',
      labels: { 'controller-revision-hash': revision! },
      ...(state === '-' ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { containers: [], nodeName: nodeName! },
    status: {
      phase: state === 'x' ? 'Failed' : state === '.' ? 'Succeeded' : 'Running',
      conditions: [{ type: 'Ready', status: state === '!' ? 'False' : 'True' }],
    },
  };
}

const TAINTED: Record<string, Node['spec']> = {
  schedule: { taints: [{ key: 'mine', effect: 'NoSchedule' }] },
  execute: { taints: [{ key: 'mine', effect: 'NoExecute' }] },
  pressed: { taints: [{ key: 'node.kubernetes.io/disk-pressure', effect: 'NoSchedule' }] },
};

const NODES: { name: string; node: string; pods: string[]; surge?: boolean; create?: boolean; remove?: string[]; failed?: string[] }[] = [
  { name: 'a node without', node: 'free', pods: [], create: true },
  { name: 'a node with two keeps the older', node: 'free', pods: ['free old', 'free new'], remove: ['free new'] },
  { name: 'in a surge the older waits for the newer', node: 'free', pods: ['free old', 'free new!'], surge: true },
  { name: 'and goes when that is available', node: 'free', pods: ['free old', 'free new'], surge: true, remove: ['free old'] },
  { name: 'one that goes is waited for', node: 'free', pods: ['free old-'] },
  { name: 'in a surge it is not', node: 'free', pods: ['free old-'], surge: true, create: true },
  { name: 'one that failed goes', node: 'free', pods: ['free oldx'], failed: ['free oldx'] },
  { name: 'a tainted node gets none', node: 'schedule', pods: [] },
  { name: 'and keeps what it has', node: 'schedule', pods: ['schedule old'] },
  { name: 'NoExecute takes it away', node: 'execute', pods: ['execute old'], remove: ['execute old'] },
  { name: 'pressure does not count', node: 'pressed', pods: [], create: true },
];

for (const { name, node: on, pods, surge, create = false, remove = [], failed = [] } of NODES) {
  test(`a DaemonSet on one node: ${name}`, () => {
    const set = daemonSet(surge ? { maxSurge: 1, maxUnavailable: 0 } : undefined);
    const nodes = nodeStates(set, [node(on, TAINTED[on])], pods.map(pod));
    const plan = planNodes({ daemonSet: set, nodes, hash: 'new', now: NOW });
    const names = (of: readonly Pod[]): string[] => of.map(({ metadata }) => metadata.name!);
    assert.deepEqual([plan.create, names(plan.delete), names(plan.failed)], [create ? [on] : [], remove, failed]);
  });
}

const UPDATES: { name: string; limits: RollingUpdateDaemonSet; pods: string[]; remove?: string[]; create?: string[] }[] = [
  { name: 'one at a time', limits: { maxUnavailable: 1 }, pods: ['a old', 'b old', 'c old', 'd old'], remove: ['a old'] },
  {
    name: 'a share of the nodes',
    limits: { maxUnavailable: '50%' },
    pods: ['a old', 'b old', 'c old', 'd old'],
    remove: ['a old', 'b old'],
  },
  { name: 'while one is gone none goes', limits: { maxUnavailable: 1 }, pods: ['b old', 'c old', 'd old'] },
  { name: 'while one starts none goes', limits: { maxUnavailable: 1 }, pods: ['a new!', 'b old', 'c old', 'd old'] },
  { name: 'the next when it is ready', limits: { maxUnavailable: 1 }, pods: ['a new', 'b old', 'c old', 'd old'], remove: ['b old'] },
  {
    name: 'what does not serve goes in any case',
    limits: { maxUnavailable: 1 },
    pods: ['a old', 'b old!', 'c old!', 'd old'],
    remove: ['b old!', 'c old!'],
  },
  {
    name: 'a surge makes the new one first',
    limits: { maxSurge: 1, maxUnavailable: 0 },
    pods: ['a old', 'b old', 'c old', 'd old'],
    create: ['a'],
  },
  { name: 'one more at a time', limits: { maxSurge: 1, maxUnavailable: 0 }, pods: ['a old', 'a new!', 'b old', 'c old', 'd old'] },
  {
    name: 'a surge of half',
    limits: { maxSurge: '50%', maxUnavailable: 0 },
    pods: ['a old', 'a new!', 'b old', 'c old', 'd old'],
    create: ['b'],
  },
  {
    name: 'one that does not serve is no loss',
    limits: { maxSurge: 1, maxUnavailable: 0 },
    pods: ['a old', 'a new!', 'b old!', 'c old', 'd old'],
    create: ['b'],
  },
];

for (const { name, limits, pods, remove = [], create = [] } of UPDATES) {
  test(`a DaemonSet is updated: ${name}`, () => {
    const set = daemonSet(limits);
    const nodes = nodeStates(
      set,
      ['a', 'b', 'c', 'd'].map((each) => node(each)),
      pods.map(pod),
    );
    const plan = planUpdate({ daemonSet: set, nodes, hash: 'new', now: NOW });
    assert.deepEqual([plan.delete.map(({ metadata }) => metadata.name!), plan.create], [remove, create]);
  });
}
