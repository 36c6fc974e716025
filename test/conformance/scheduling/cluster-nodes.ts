/** Nodes as tests of the scheduler see them: which can take pods, and an extended resource of the test's own on them. */
import assert from 'node:assert/strict';
import { CoreV1Api, type V1Node, type V1Pod } from '@kubernetes/client-node';
import { IMAGES, until, type World } from '../harness.ts';

export async function readyNode(world: World): Promise<V1Node> {
  const { items } = await world.api(CoreV1Api).listNode();
  const node = items.find(
    ({ spec, status }) =>
      !spec?.unschedulable &&
      !spec?.taints?.length &&
      status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  );
  assert.ok(node, 'a node that takes pods');
  return node;
}

/** Says how much of a resource the node has; undefined takes it away. */
export async function setCapacity(world: World, node: string, resource: string, amount: string | undefined): Promise<void> {
  const amounts = { [resource]: amount ?? null };
  const answer = await world.request({
    method: 'PATCH',
    path: `/api/v1/nodes/${node}/status`,
    body: { status: { capacity: amounts, allocatable: amounts } },
    headers: { 'content-type': 'application/strategic-merge-patch+json' },
  });
  assert.equal(answer.status, 200, answer.text);
}

export interface PodSketch {
  name: string;
  labels?: Record<string, string>;
  amounts?: Record<string, string>;
  spec?: Partial<V1Pod['spec']>;
}

/** A pod that runs until it is deleted. */
export function sleeper({ name, labels = {}, amounts, spec = {} }: PodSketch): V1Pod {
  const resources = amounts ? { requests: amounts, limits: amounts } : {};
  const container = { name: 'main', image: IMAGES.shell, imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'], resources };
  return { metadata: { name, labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container], ...spec } };
}

export async function create(world: World, sketch: PodSketch): Promise<V1Pod> {
  return world.api(CoreV1Api).createNamespacedPod({ namespace: world.namespace, body: sleeper(sketch) });
}

export function read({ api, namespace }: World, name: string): Promise<V1Pod> {
  return api(CoreV1Api).readNamespacedPod({ namespace, name });
}

export function running(world: World, name: string): Promise<V1Pod> {
  return until(async () => {
    const pod = await read(world, name);
    return pod.status?.phase === 'Running' ? pod : false;
  }, `pod ${name} running`);
}

/** Resolves with the message when the scheduler has found no node. */
export function unschedulable(world: World, name: string): Promise<string> {
  return until(async () => {
    const condition = (await read(world, name)).status?.conditions?.find(({ type }) => type === 'PodScheduled');
    return condition?.status === 'False' && condition.reason === 'Unschedulable' ? (condition.message ?? '') : false;
  }, `pod ${name} unschedulable`);
}
