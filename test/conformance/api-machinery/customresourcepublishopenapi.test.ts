import assert from 'node:assert/strict';
import type { V1JSONSchemaProps } from '@kubernetes/client-node';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { define, definition, version, type Defined } from './definitions.ts';

interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

const FOO = {
  description: 'Foo CRD for Testing',
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      description: 'Specification of Foo',
      properties: {
        bars: {
          type: 'array',
          description: 'List of Bars and their specs.',
          items: {
            type: 'object',
            required: ['name'],
            properties: {
              name: { type: 'string', description: 'Name of Bar.' },
              age: { type: 'string', description: 'Age of Bar.' },
              feeling: { type: 'string', description: 'Whether Bar is feeling great.', enum: ['Great', 'Down'] },
              bazs: { type: 'array', description: 'List of Bazs.', items: { type: 'string' } },
            },
          },
        },
      },
    },
    status: {
      type: 'object',
      description: 'Status of Foo',
      properties: { bars: { type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } } },
    },
  },
  // The client's type calls the field _enum; the wire does not.
} as V1JSONSchemaProps;

/** The published schema of a kind in a version, of OpenAPI v2; undefined when there is none. */
async function published(world: World, { group, kind }: Defined, name: string): Promise<Schema | undefined> {
  const { definitions } = await rest(world).get<{ definitions: Record<string, Schema> }>('/openapi/v2');
  return Object.values(definitions).find((schema) =>
    schema['x-kubernetes-group-version-kind']?.some((each) => each.group === group && each.version === name && each.kind === kind),
  );
}

const awaitPublished = (world: World, defined: Defined, name = 'v1'): Promise<Schema> =>
  until(() => published(world, defined, name), `${defined.kind} ${name} is published`);

const explain = async (world: World, ...args: string[]): Promise<string> => (await world.kubectl(['explain', ...args])).stdout;

const apply = (world: World, { group, kind }: Defined, body: object, verb = 'create') =>
  world.kubectl([verb, '-f', '-'], {
    input: JSON.stringify({ apiVersion: `${group}/v1`, kind, metadata: { name: 'test-cr' }, ...body }),
    reject: false,
  });

conformance('api-machinery', 'CustomResourcePublishOpenAPI', {}, (behaviour) => {
  behaviour('[Privileged:ClusterAdmin] removes definition from spec when one version gets changed to not be served', async (world) => {
    const defined = await define(world, definition([version('v5', FOO), version('v6alpha1', FOO, { storage: false })]));
    await awaitPublished(world, defined, 'v5');
    await awaitPublished(world, defined, 'v6alpha1');
    await rest(world).patch(defined.path, [{ op: 'replace', path: '/spec/versions/1/served', value: false }], 'json');
    await until(async () => (await published(world, defined, 'v6alpha1')) === undefined, 'v6alpha1 is not published any more');
    assert.ok(await published(world, defined, 'v5'));
  });

  behaviour('[Privileged:ClusterAdmin] updates the published spec when one version gets renamed', async (world) => {
    const defined = await define(world, definition([version('v2', FOO), version('v3', FOO, { storage: false })]));
    await awaitPublished(world, defined, 'v3');
    await rest(world).patch(defined.path, [{ op: 'replace', path: '/spec/versions/1/name', value: 'v4' }], 'json');
    await awaitPublished(world, defined, 'v4');
    await until(async () => (await published(world, defined, 'v3')) === undefined, 'v3 is not published any more');
    assert.ok(await published(world, defined, 'v2'));
  });

  behaviour('[Privileged:ClusterAdmin] works for CRD preserving unknown fields at the schema root', async (world) => {
    const defined = await define(
      world,
      definition([version('v1', { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as never)]),
    );
    const schema = await awaitPublished(world, defined);
    assert.equal(schema['x-kubernetes-preserve-unknown-fields'], true);
    for (const verb of ['create', 'apply']) {
      assert.equal((await apply(world, defined, { a: { b: [{ c: 'd' }] } }, verb)).exitCode, 0);
      await world.kubectl(['delete', `${defined.plural}.${defined.group}`, 'test-cr']);
    }
    assert.match(await explain(world, `${defined.plural}.${defined.group}`), new RegExp(`KIND: +${defined.kind}`));
  });

  behaviour('[Privileged:ClusterAdmin] works for CRD preserving unknown fields in an embedded object', async (world) => {
    const schema = {
      type: 'object',
      properties: {
        spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, description: 'Specification of Waldo' },
        status: { type: 'object' },
      },
    };
    const defined = await define(world, definition([version('v1', schema)]));
    await awaitPublished(world, defined);
    for (const verb of ['create', 'apply']) {
      assert.equal((await apply(world, defined, { spec: { a: null, b: [{ c: 'd' }] } }, verb)).exitCode, 0);
      await world.kubectl(['delete', `${defined.plural}.${defined.group}`, 'test-cr']);
    }
    assert.match(await explain(world, `${defined.plural}.${defined.group}`), /spec\t.*\n +Specification of Waldo/);
  });

  behaviour('[Privileged:ClusterAdmin] works for CRD with validation schema', async (world) => {
    const defined = await define(world, definition([version('v1', FOO)]));
    await awaitPublished(world, defined);
    const name = `${defined.plural}.${defined.group}`;
    const good = { spec: { bars: [{ name: 'test-bar', age: '1' }] } };
    for (const verb of ['create', 'apply']) {
      const { exitCode, stderr } = await apply(world, defined, good, verb);
      assert.equal(exitCode, 0, stderr);
      await world.kubectl(['delete', name, 'test-cr']);
    }
    for (const [body, expected] of [
      [{ spec: { foo: true } }, /unknown field "spec\.foo"/],
      [{ spec: { bars: [{ age: '10' }] } }, /spec\.bars\[0\]\.name: Required value/],
      [{ spec: { bars: [{ name: 'test-bar', feeling: 'Bad' }] } }, /spec\.bars\[0\]\.feeling: Unsupported value/],
    ] as const) {
      const { exitCode, stderr } = await apply(world, defined, body);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, expected);
    }
    assert.match(
      await explain(world, name),
      /DESCRIPTION:\s+Foo CRD for Testing[\s\S]*FIELDS:[\s\S]*apiVersion\t<string>[\s\S]*APIVersion defines[\s\S]*spec\t<Object>\s+Specification of Foo/,
    );
    assert.match(
      await explain(world, `${name}.metadata`),
      /DESCRIPTION:[\s\S]*Standard metadata of an object[\s\S]*FIELDS:[\s\S]*creationTimestamp\t<string>/,
    );
    assert.match(
      await explain(world, `${name}.spec.bars`),
      /FIELD: bars <\[\]Object>[\s\S]*List of Bars and their specs\.[\s\S]*bazs\t<\[\]string>\s+List of Bazs\.[\s\S]*name\t<string> -required-\s+Name of Bar\./,
    );
    const { exitCode, stderr } = await world.kubectl(['explain', `${name}.spec.bars2`], { reject: false });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /field "bars2" does not exist/);
  });

  behaviour('[Privileged:ClusterAdmin] works for CRD without validation schema', async (world) => {
    const defined = await define(
      world,
      definition([version('v1', { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as never)]),
    );
    const schema = await awaitPublished(world, defined);
    assert.equal(schema.type, 'object');
    assert.equal((await apply(world, defined, { dummy: 'x', any: { thing: [1, 'two'] } })).exitCode, 0);
    assert.match(await explain(world, `${defined.plural}.${defined.group}`), /DESCRIPTION:\s+<empty>/);
  });

  behaviour('[Privileged:ClusterAdmin] works for multiple CRDs of different groups', async (world) => {
    const both = [await define(world, definition([version('v1', FOO)])), await define(world, definition([version('v1', FOO)]))];
    assert.notEqual(both[0]!.group, both[1]!.group);
    for (const each of both) await awaitPublished(world, each);
  });

  behaviour('[Privileged:ClusterAdmin] works for multiple CRDs of same group and version but different kinds', async (world) => {
    const group = `same-version-${process.pid}.example.com`;
    const both = [
      await define(world, definition([version('v6', FOO)], { group })),
      await define(world, definition([version('v6', FOO)], { group })),
    ];
    assert.notEqual(both[0]!.kind, both[1]!.kind);
    for (const each of both) await awaitPublished(world, each, 'v6');
  });

  behaviour('[Privileged:ClusterAdmin] works for multiple CRDs of same group but different versions', async (world) => {
    const group = `same-group-${process.pid}.example.com`;
    const first = await define(world, definition([version('v2', FOO), version('v3', FOO, { storage: false })], { group }));
    for (const name of ['v2', 'v3']) await awaitPublished(world, first, name);
    const second = await define(world, definition([version('v4', FOO)], { group }));
    const third = await define(world, definition([version('v5', FOO)], { group }));
    await awaitPublished(world, second, 'v4');
    await awaitPublished(world, third, 'v5');
  });
});
