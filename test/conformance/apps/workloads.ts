/** Workloads as behaviours of sig apps need them: paths, templates, and the status subresource, which all kinds have alike. */
import assert from 'node:assert/strict';
import type { KubernetesObject, V1Pod, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import { IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

export const core = ({ namespace }: World, resource: string): string => `/api/v1/namespaces/${namespace}/${resource}`;
export const apps = ({ namespace }: World, resource: string): string => `/apis/apps/v1/namespaces/${namespace}/${resource}`;
export const batch = ({ namespace }: World, resource: string): string => `/apis/batch/v1/namespaces/${namespace}/${resource}`;

export type Labels = Record<string, string>;

/** A web server that is gone as soon as it is told to. */
export const webSpec = (more: Partial<V1PodSpec> = {}): V1PodSpec => ({
  terminationGracePeriodSeconds: 0,
  containers: [{ name: 'web', image: IMAGES.web, imagePullPolicy: 'IfNotPresent' }],
  ...more,
});

export const template = (labels: Labels, more: Partial<V1PodSpec> = {}): V1PodTemplateSpec => ({
  metadata: { labels },
  spec: webSpec(more),
});

/** A template whose one container runs a shell script. */
export const script = (labels: Labels, text: string, more: Partial<V1PodSpec> = {}): V1PodTemplateSpec => ({
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'shell', image: IMAGES.shell, imagePullPolicy: 'IfNotPresent', command: ['sh', '-c', text] }],
    ...more,
  },
});

export async function pods(world: World, selector: Labels = {}): Promise<V1Pod[]> {
  const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  return rest(world).list<V1Pod>(`${core(world, 'pods')}?labelSelector=${encodeURIComponent(labels.join(','))}`);
}

export const isReady = ({ status, metadata }: V1Pod): boolean =>
  metadata?.deletionTimestamp === undefined &&
  (status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false);

/** The pods of a selector, once there are exactly so many and all are ready. */
export const readyPods = (world: World, selector: Labels, count: number): Promise<V1Pod[]> =>
  until(async () => {
    const found = await pods(world, selector);
    return found.length === count && found.every(isReady) && found;
  }, `${count} ready pods`);

export const nameOf = ({ metadata }: KubernetesObject): string => metadata!.name!;

export const isGone = (world: World, path: string): Promise<boolean> =>
  until(async () => (await world.request({ path })).status === 404, `${path} is gone`);

interface WithConditions extends KubernetesObject {
  status?: { conditions?: { type: string; status: string; reason?: string; message?: string }[] };
}

/** Reads, replaces and patches an object's status through its subresource; each change is seen by a watch. */
export async function statusEndpoints(world: World, collection: string, name: string): Promise<void> {
  const path = `${collection}/${name}`;
  const { get, patch, watch } = rest(world);
  const log = await watch<WithConditions>(collection, { fieldSelector: `metadata.name=${name}` });
  const condition = (type: string) => ({ type, status: 'True', reason: 'E2E', message: 'Set from a conformance test' });
  const has =
    (type: string) =>
    ({ object }: { object: WithConditions }) =>
      object.status?.conditions?.some((each) => each.type === type) ?? false;

  const read = await get<WithConditions>(`${path}/status`);
  assert.equal(read.metadata!.name, name);
  await until(async () => {
    const object = await get<WithConditions>(path);
    object.status = { ...object.status, conditions: [...(object.status?.conditions ?? []), condition('StatusUpdate')] };
    const answer = await world.request({ method: 'PUT', path: `${path}/status`, body: object });
    assert.ok(answer.status === 200 || answer.status === 409, answer.text);
    return answer.status === 200;
  }, 'the status is replaced');
  await log.until(has('StatusUpdate'), 'the replaced status');
  await patch(`${path}/status`, { status: { conditions: [condition('StatusPatched')] } });
  await log.until(has('StatusPatched'), 'the patched status');
  log.stop();
}
