import assert from 'node:assert/strict';
import { ApiextensionsV1Api, type V1CustomResourceDefinition, type V1JSONSchemaProps } from '@kubernetes/client-node';
import { conformance, until } from '../harness.ts';
import { rest } from '../rest.ts';
import { ANYTHING, define, definition, DEFINITIONS, version } from './definitions.ts';

const withDefault = (value?: string): V1JSONSchemaProps => ({
  type: 'object',
  properties: { a: { type: 'string', ...(value === undefined ? {} : { default: value }) }, b: { type: 'string' } },
});

conformance('api-machinery', 'CustomResourceDefinition resources', {}, (behaviour) => {
  behaviour(
    '[Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting custom resource definition objects works',
    async (world) => {
      const defined = await define(world, definition([version('v1', ANYTHING)]));
      await world.api(ApiextensionsV1Api).deleteCustomResourceDefinition({ name: `${defined.plural}.${defined.group}` });
      await until(async () => (await world.request({ path: defined.path })).status === 404, 'the definition is gone');
      await until(async () => (await world.request({ path: defined.objects() })).status === 404, 'its objects are served no more');
    },
  );

  behaviour(
    '[Privileged:ClusterAdmin] Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works',
    async (world) => {
      const defined = await define(world, definition([version('v1', ANYTHING, { subresources: { status: {} } })]));
      const { get, patch, replace } = rest(world);
      const condition = (message: string) => ({
        type: 'StatusPatch',
        status: 'True',
        reason: 'E2E',
        message,
        lastTransitionTime: new Date().toISOString(),
      });
      const of = ({ status }: V1CustomResourceDefinition) => status?.conditions?.find(({ type }) => type === 'StatusPatch')?.message;
      const read = await get<V1CustomResourceDefinition>(`${defined.path}/status`);
      assert.equal(read.spec.group, defined.group);
      const updated = await until(async () => {
        const object = await get<V1CustomResourceDefinition>(`${defined.path}/status`);
        object.status!.conditions = [...object.status!.conditions!, condition('updated') as never];
        const answer = await world.request({ method: 'PUT', path: `${defined.path}/status`, body: object });
        assert.ok(answer.status === 200 || answer.status === 409, answer.text);
        return answer.status === 200 && answer.json<V1CustomResourceDefinition>();
      }, 'the status is replaced');
      assert.equal(of(updated), 'updated');
      const patched = await patch<V1CustomResourceDefinition>(`${defined.path}/status`, { status: { conditions: [condition('patched')] } });
      assert.equal(of(patched), 'patched');
      await patch(defined.path, { metadata: { labels: { patched: 'yes' } } });
      const labelled = await get<V1CustomResourceDefinition>(defined.path);
      assert.equal(labelled.metadata!.labels!['patched'], 'yes');
      await replace(defined.path, { ...labelled, metadata: { ...labelled.metadata, labels: { replaced: 'yes' } } });
      assert.deepEqual((await get<V1CustomResourceDefinition>(defined.path)).metadata!.labels, { replaced: 'yes' });
    },
  );

  behaviour('[Privileged:ClusterAdmin] Simple CustomResourceDefinition listing custom resource definition objects works', async (world) => {
    const { list, remove } = rest(world);
    const label = `listed-${process.pid}`;
    const names: string[] = [];
    for (let index = 0; index < 5; index += 1) {
      const body = definition([version('v1', ANYTHING)]);
      body.metadata!.labels = { [label]: 'yes' };
      await define(world, body);
      names.push(body.metadata!.name!);
    }
    const found = await list<V1CustomResourceDefinition>(`${DEFINITIONS}?labelSelector=${label}%3Dyes`);
    assert.deepEqual(found.map(({ metadata }) => metadata!.name).toSorted(), names.toSorted());
    await remove(`${DEFINITIONS}?labelSelector=${label}%3Dyes`);
    await until(async () => (await list(`${DEFINITIONS}?labelSelector=${label}%3Dyes`)).length === 0, 'all are deleted');
  });

  behaviour('[Privileged:ClusterAdmin] custom resource defaulting for requests and from storage works', async (world) => {
    const defined = await define(world, definition([version('v1', withDefault())]));
    const { create, get, patch } = rest(world);
    const body = (name: string) => ({ apiVersion: `${defined.group}/v1`, kind: defined.kind, metadata: { name } });
    const before = await create<Record<string, unknown>>(defined.objects(), body('before'));
    assert.equal(before['a'], undefined);
    await patch(defined.path, [{ op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/a/default', value: 'A' }], 'json');
    // Requests are defaulted, and so is what was stored without the default.
    await until(
      async () => (await create<Record<string, unknown>>(`${defined.objects()}?dryRun=All`, body('tried')))['a'] === 'A',
      'a request is defaulted',
    );
    const after = await create<Record<string, unknown>>(defined.objects(), body('after'));
    assert.equal(after['a'], 'A');
    assert.equal((await get<Record<string, unknown>>(`${defined.objects()}/before`))['a'], 'A');
    await patch(
      defined.path,
      [
        { op: 'remove', path: '/spec/versions/0/schema/openAPIV3Schema/properties/a/default' },
        { op: 'add', path: '/spec/versions/0/schema/openAPIV3Schema/properties/b/default', value: 'B' },
      ],
      'json',
    );
    const read = await until(async () => {
      const object = await get<Record<string, unknown>>(`${defined.objects()}/after`);
      return object['b'] === 'B' && object;
    }, 'the other default holds');
    assert.equal(read['a'], 'A', 'what was stored stays');
    assert.equal(
      (await get<Record<string, unknown>>(`${defined.objects()}/before`))['a'],
      undefined,
      'what was never stored goes with its default',
    );
  });

  behaviour('[Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents', async (world) => {
    const { get } = rest(world);
    const groups = await get<{ groups: { name: string; versions: { groupVersion: string; version: string }[] }[] }>('/apis');
    const group = groups.groups.find(({ name }) => name === 'apiextensions.k8s.io');
    assert.deepEqual(group?.versions, [{ groupVersion: 'apiextensions.k8s.io/v1', version: 'v1' }]);
    const alone = await get<{ versions: { version: string }[] }>('/apis/apiextensions.k8s.io');
    assert.deepEqual(
      alone.versions.map((each) => each.version),
      ['v1'],
    );
    const { resources } = await get<{ resources: { name: string; kind: string }[] }>('/apis/apiextensions.k8s.io/v1');
    assert.ok(resources.some(({ name, kind }) => name === 'customresourcedefinitions' && kind === 'CustomResourceDefinition'));
  });
});
