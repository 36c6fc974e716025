/** What upstream's "should support … API operations" asks of a cluster-scoped kind, from its discovery to the deletion of a collection. */
import assert from 'node:assert/strict';
import type { V1APIGroup, V1APIGroupList, V1APIResourceList } from '@kubernetes/client-node';
import { until, type World } from './harness.ts';
import { rest, type Kube } from './rest.ts';

export interface OperationsOf {
  group: string;
  resource: string;
  /** A good object; its labels are added. */
  make: (name: string) => object;
  /** What is tried while one object is there, under its path. */
  subresources: (path: string) => Promise<void>;
}

interface Object extends Kube {
  metadata: { name: string; uid?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
}

export async function apiOperations(world: World, { group, resource, make, subresources }: OperationsOf): Promise<void> {
  const api = rest(world);
  const collection = `/apis/${group}/v1/${resource}`;
  const mark = `${world.namespace}-operations`;
  const selector = `?labelSelector=${encodeURIComponent(`marked=${mark}`)}`;
  const create = (name: string): Promise<Object> => {
    const object = make(`${mark}-${name}`) as { metadata: object };
    return api.create<Object>(collection, { ...object, metadata: { ...object.metadata, labels: { marked: mark } } });
  };
  await discovered(world, group, resource);

  const watch = await api.watch<Object>(collection, { labelSelector: `marked=${mark}` });
  const first = await create('a');
  const path = `${collection}/${first.metadata.name}`;
  await create('b');
  await create('c');
  assert.equal((await api.get<Object>(path)).metadata.uid, first.metadata.uid);
  assert.equal((await api.list(`${collection}${selector}`)).length, 3);
  await watch.until(({ type, object }) => type === 'ADDED' && object.metadata.name === first.metadata.name, 'its creation');

  const patched = await api.patch<Object>(path, { metadata: { annotations: { patched: 'true' } } });
  assert.equal(patched.metadata.annotations!['patched'], 'true');
  await watch.until(({ type, object }) => type === 'MODIFIED' && object.metadata.annotations?.['patched'] === 'true', 'its patch');
  const updated = await api.update<Object>(path, (object) => {
    object.metadata.annotations = { ...object.metadata.annotations, updated: 'true' };
  });
  assert.equal(updated.metadata.annotations!['updated'], 'true');
  await watch.until(({ type, object }) => type === 'MODIFIED' && object.metadata.annotations?.['updated'] === 'true', 'its update');

  await subresources(path);

  await api.remove(path);
  assert.equal((await world.request({ path })).status, 404);
  await watch.until(({ type, object }) => type === 'DELETED' && object.metadata.name === first.metadata.name, 'its deletion');
  assert.equal((await api.list(`${collection}${selector}`)).length, 2);
  await api.remove(`${collection}${selector}`);
  await until(async () => (await api.list(`${collection}${selector}`)).length === 0, 'the collection to be empty');
}

/** The group in the list of groups, the version in its group, the resource in its version. */
async function discovered(world: World, group: string, resource: string): Promise<void> {
  const api = rest(world);
  const { groups } = await api.get<V1APIGroupList>('/apis');
  const listed = groups.find(({ name }) => name === group);
  assert.ok(listed?.versions.some(({ version }) => version === 'v1'));
  const { versions } = await api.get<V1APIGroup>(`/apis/${group}`);
  assert.ok(versions.some(({ groupVersion }) => groupVersion === `${group}/v1`));
  const { resources } = await api.get<V1APIResourceList>(`/apis/${group}/v1`);
  for (const name of [resource, `${resource}/status`])
    assert.ok(
      resources.some((each) => each.name === name),
      name,
    );
}
