import assert from 'node:assert/strict';
import type { V1Namespace, V1NamespaceCondition } from '@kubernetes/client-node';
import { conformance, IMAGES, until } from '../harness.ts';
import { rest } from '../rest.ts';

const gone = (world: Parameters<typeof rest>[0], path: string) =>
  until(async () => (await world.request({ path })).status === 404, `${path} is gone`, 120_000);

conformance('api-machinery', 'Namespaces', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] should apply a finalizer to a Namespace', async (world) => {
    const name = await world.createNamespace();
    const path = `/api/v1/namespaces/${name}`;
    const { get, replace, remove } = rest(world);
    const finalizers = async (): Promise<string[]> => (await get<V1Namespace>(path)).spec?.finalizers ?? [];
    const finalize = async (change: (finalizers: string[]) => string[]): Promise<void> => {
      const namespace = await get<V1Namespace>(path);
      namespace.spec!.finalizers = change(namespace.spec!.finalizers ?? []);
      await replace(`${path}/finalize`, namespace);
    };
    await finalize((present) => [...present, 'e2e.example.com/fakeFinalizer']);
    assert.deepEqual((await finalizers()).toSorted(), ['e2e.example.com/fakeFinalizer', 'kubernetes']);
    await finalize((present) => present.filter((each) => each === 'kubernetes'));
    assert.deepEqual(await finalizers(), ['kubernetes']);
    await remove(path);
    await gone(world, path);
  });

  behaviour('[Serial] should apply an update to a Namespace', async (world) => {
    const path = `/api/v1/namespaces/${await world.createNamespace()}`;
    await rest(world).update<V1Namespace>(
      path,
      (namespace) => (namespace.metadata!.labels = { ...namespace.metadata!.labels, updated: 'yes' }),
    );
    const { metadata } = await rest(world).get<V1Namespace>(path);
    assert.equal(metadata!.labels!['updated'], 'yes');
    // The name is a label of every namespace, whatever is written.
    assert.equal(metadata!.labels!['kubernetes.io/metadata.name'], metadata!.name);
  });

  behaviour('[Serial] should apply changes to a namespace status', async (world) => {
    const path = `/api/v1/namespaces/${await world.createNamespace()}`;
    const { get, patch, replace } = rest(world);
    const condition = (type: string, reason: string) => ({ type, status: 'True', reason, message: `set by a test (${reason})` });
    const find = ({ status }: V1Namespace, type: string): V1NamespaceCondition | undefined =>
      status?.conditions?.find((each) => each.type === type);
    const patched = await patch<V1Namespace>(`${path}/status`, {
      metadata: { annotations: { patched: 'true' } },
      status: { conditions: [condition('StatusPatch', 'E2E')] },
    });
    assert.equal(find(patched, 'StatusPatch')?.reason, 'E2E');
    const read = await get<V1Namespace>(`${path}/status`);
    read.status!.conditions = [...read.status!.conditions!, condition('StatusUpdate', 'E2E')];
    const updated = await replace<V1Namespace>(`${path}/status`, read);
    assert.equal(find(updated, 'StatusUpdate')?.reason, 'E2E');
    assert.equal(find(updated, 'StatusPatch')?.reason, 'E2E');
    assert.equal((await get<V1Namespace>(path)).status!.phase, 'Active');
  });

  behaviour('[Serial] should ensure that all pods are removed when a namespace is deleted', async (world) => {
    const name = await world.createNamespace();
    const { create, remove, list, get } = rest(world);
    const pods = `/api/v1/namespaces/${name}/pods`;
    const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'web', image: IMAGES.web, imagePullPolicy: 'IfNotPresent' }] };
    await create(pods, { metadata: { name: 'test-pod' }, spec });
    await until(async () => (await get<{ status?: { phase?: string } }>(`${pods}/test-pod`)).status?.phase === 'Running', 'the pod runs');
    await remove(`/api/v1/namespaces/${name}`);
    await gone(world, `/api/v1/namespaces/${name}`);
    await create('/api/v1/namespaces', { metadata: { name } });
    assert.deepEqual(await list(pods), []);
  });

  behaviour('[Serial] should ensure that all services are removed when a namespace is deleted', async (world) => {
    const name = await world.createNamespace();
    const { create, remove, list } = rest(world);
    const services = `/api/v1/namespaces/${name}/services`;
    await create(services, {
      metadata: { name: 'test-service' },
      spec: { selector: { foo: 'bar' }, ports: [{ port: 80, targetPort: 80 }] },
    });
    await remove(`/api/v1/namespaces/${name}`);
    await gone(world, `/api/v1/namespaces/${name}`);
    await create('/api/v1/namespaces', { metadata: { name } });
    assert.deepEqual(await list(services), []);
  });

  behaviour('[Serial] should patch a Namespace', async (world) => {
    const path = `/api/v1/namespaces/${await world.createNamespace()}`;
    await rest(world).patch(path, { metadata: { labels: { testLabel: 'testValue' } } }, 'strategic');
    assert.equal((await rest(world).get<V1Namespace>(path)).metadata!.labels!['testLabel'], 'testValue');
  });
});
