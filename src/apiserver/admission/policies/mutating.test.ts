import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import type { KubeObject } from '../../../api/meta.ts';
import type { ConfigMap, Deployment, Status } from '../../../api/types.gen.ts';
import { CONFIG_MAPS, configMap, deployment, DEPLOYMENTS, on, startPolicyWorld, type PolicyWorld } from './policy-world.fixture.ts';

let world: PolicyWorld;
before(async () => {
  world = await startPolicyWorld();
});
after(() => world?.close());
afterEach(() => world.clear());

const apply = (expression: string): object => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string): object => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const dryRun = (path: string): string => `${path}?dryRun=All`;
const created = async (body: object): Promise<Deployment> => world.ok('POST', dryRun(DEPLOYMENTS), body);

describe('an apply configuration', () => {
  test('merges fields and list items, and defaults what is new', async () => {
    const expression = `Object{
      metadata: Object.metadata{annotations: {"seen-by": "policy"}},
      spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
        containers: [Object.spec.template.spec.containers{name: "side", image: "proxy:" + object.metadata.name}]
      }}}
    }`;
    await world.mutating('p', { matchConstraints: on('apps', 'deployments', 'CREATE'), mutations: [apply(expression)] });
    const { metadata, spec } = await created(deployment('web'));
    assert.equal(metadata.annotations?.['seen-by'], 'policy');
    assert.deepEqual(
      spec!.template.spec!.containers.map(({ name, image, terminationMessagePath }) => [name, image, terminationMessagePath]),
      [
        ['c', 'i', '/dev/termination-log'],
        ['side', 'proxy:web', '/dev/termination-log'],
      ],
    );
  });

  test('an existing item is changed in place', async () => {
    const expression = `Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
      containers: object.spec.template.spec.containers.map(c, Object.spec.template.spec.containers{
        name: c.name, imagePullPolicy: "Never", ?workingDir: object.?none
      })}}}}`;
    await world.mutating('p', { matchConstraints: on('apps', 'deployments'), mutations: [apply(expression)] });
    const [container] = (await created(deployment('web'))).spec!.template.spec!.containers;
    assert.deepEqual([container!.image, container!.imagePullPolicy, container!.workingDir], ['i', 'Never', undefined]);
  });

  test('variables hand objects on', async () => {
    const variables = [{ name: 'part', expression: 'Object.spec{replicas: 4}' }];
    await world.mutating('p', {
      matchConstraints: on('apps', 'deployments'),
      variables,
      mutations: [apply('Object{spec: variables.part}')],
    });
    assert.equal((await created(deployment('web'))).spec!.replicas, 4);
  });

  const refused: [string, string, string][] = [
    [
      'an unknown field',
      'Object{spec: Object.spec{replica: 1}}',
      'error applying patch: failed to convert patch object to typed object: .spec.replica: field not declared in schema',
    ],
    [
      'an atomic list',
      'Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{tolerations: [Object.spec.template.spec.tolerations{operator: "Exists"}]}}}}',
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.template.spec.tolerations',
    ],
    [
      'an object in the wrong place',
      'Object{spec: Object.spec.template{replicas: 1}}',
      'type mismatch: unexpected type name "Object.spec.template", expected "Object.spec", which matches field name path from root Object type',
    ],
    [
      'what cannot be evaluated',
      'Object{spec: Object.spec{replicas: object.none}}',
      "expression 'Object{spec: Object.spec{replicas: object.none}}' resulted in error: no such key: none",
    ],
  ];
  for (const [name, expression, message] of refused) {
    test(`refuses ${name}`, async () => {
      await world.mutating('p', { matchConstraints: on('apps', 'deployments'), mutations: [apply(expression)] });
      const { status, body } = await world.call('POST', dryRun(DEPLOYMENTS), deployment('web'));
      const text = `policy 'p' with binding 'p' denied request: ${message}`;
      assert.deepEqual([(body as Status).message, (body as Status).reason, status], [text, 'Invalid', 403]);
      assert.deepEqual((body as Status).details?.causes, [{ message: text }]);
      await world.clear();
      await world.mutating('p', { failurePolicy: 'Ignore', matchConstraints: on('apps', 'deployments'), mutations: [apply(expression)] });
      await created(deployment('web'));
    });
  }
});

describe('a JSON patch', () => {
  const labels = async (mutations: object[], more: object = {}): Promise<Record<string, string>> => {
    await world.mutating('p', { matchConstraints: on('', 'configmaps'), mutations, ...more });
    const { metadata } = (await world.ok('POST', dryRun(CONFIG_MAPS), configMap('cm', { k: 'v' }, { app: 'web' }))) as unknown as ConfigMap;
    return metadata.labels ?? {};
  };

  test('adds and removes, with keys escaped', async () => {
    const expression = `[
      JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("example.com/a~b"), value: object.data.k},
      JSONPatch{op: "remove", path: "/metadata/labels/app"}
    ]`;
    // A key with a tilde is no label: the patch got through, and validation speaks.
    await world.mutating('p', { matchConstraints: on('', 'configmaps'), mutations: [patch(expression)] });
    const { body } = await world.call('POST', dryRun(CONFIG_MAPS), configMap('cm', { k: 'v' }, { app: 'web' }));
    assert.match((body as Status).message!, /metadata\.labels: Invalid value: "example.com\/a~b"/);
    await world.clear();
    assert.deepEqual(await labels([patch(expression.replace('a~b', 'ab'))]), { 'example.com/ab': 'v' });
  });

  test('adds objects', async () => {
    const expression =
      '[JSONPatch{op: "add", path: "/metadata", value: Object.metadata{name: "cm", namespace: "default", labels: {"new": "yes"}}}]';
    assert.deepEqual(await labels([patch(expression)]), { new: 'yes' });
  });

  test('a test that does not hold leaves the object alone', async () => {
    const expression = '[JSONPatch{op: "test", path: "/data/k", value: "w"}, JSONPatch{op: "remove", path: "/metadata/labels"}]';
    assert.deepEqual(await labels([patch(expression)]), { app: 'web' });
  });

  test('mutations see what those before them did, and variables see it too', async () => {
    const add = (name: string): object => patch(`[JSONPatch{op: "add", path: "/metadata/labels/${name}", value: variables.count}]`);
    const variables = [{ name: 'count', expression: 'string(object.metadata.labels.size())' }];
    assert.deepEqual(await labels([add('a'), add('b')], { variables }), { app: 'web', a: '1', b: '2' });
  });

  test('what does not apply is refused', async () => {
    await world.mutating('p', {
      matchConstraints: on('', 'configmaps'),
      mutations: [patch('[JSONPatch{op: "remove", path: "/data/none"}]')],
    });
    const { body } = await world.call('POST', dryRun(CONFIG_MAPS), configMap('cm', { k: 'v' }));
    assert.match((body as Status).message!, /^policy 'p' with binding 'p' denied request: JSONPath: .*\/data\/none/);
  });
});

describe('reinvocation', () => {
  const append = (letter: string): object =>
    patch(`[JSONPatch{op: "add", path: "/data/seen", value: (has(object.data.seen) ? object.data.seen : "") + "${letter}"}]`);
  const seen = async (policies: [string, string][]): Promise<string> => {
    for (const [name, reinvocationPolicy] of policies)
      await world.mutating(name, { reinvocationPolicy, matchConstraints: on('', 'configmaps', 'CREATE'), mutations: [append(name)] });
    const { data } = (await world.ok('POST', dryRun(CONFIG_MAPS), configMap('cm', { k: 'v' }))) as unknown as ConfigMap;
    return data!['seen']!;
  };
  const cases: [string, [string, string][], string][] = [
    [
      'never',
      [
        ['a', 'Never'],
        ['b', 'Never'],
      ],
      'ab',
    ],
    [
      'if something changed afterwards',
      [
        ['a', 'IfNeeded'],
        ['b', 'Never'],
      ],
      'aba',
    ],
    [
      'not if nothing changed afterwards',
      [
        ['a', 'Never'],
        ['b', 'IfNeeded'],
      ],
      'ab',
    ],
  ];
  for (const [name, policies, expected] of cases) test(name, async () => assert.equal(await seen(policies), expected));
});

test('parameters, and a binding for each', async () => {
  await world.ok('POST', CONFIG_MAPS, configMap('team', { owner: 'sea' }));
  const expression = 'Object{metadata: Object.metadata{labels: {"owner": params.data.owner}}}';
  const spec = {
    paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
    matchConstraints: on('apps', 'deployments'),
    mutations: [apply(expression)],
  };
  await world.mutating('p', spec, { paramRef: { name: 'team', parameterNotFoundAction: 'Deny' } });
  assert.equal((await created(deployment('web'))).metadata.labels?.['owner'], 'sea');
  await world.ok('DELETE', `${CONFIG_MAPS}/team`);
});

test('an update is mutated too, and owned by the one who asked', async () => {
  await world.ok('POST', CONFIG_MAPS, configMap('cm', { k: 'v' }));
  await world.mutating('p', { matchConstraints: on('', 'configmaps', 'UPDATE'), mutations: [apply('Object{data: {"more": "yes"}}')] });
  const changed = (await world.ok('PATCH', `${CONFIG_MAPS}/cm`, { data: { k: 'w' } })) as KubeObject & ConfigMap;
  assert.deepEqual(changed.data, { k: 'w', more: 'yes' });
  await world.clear();
  await world.ok('DELETE', `${CONFIG_MAPS}/cm`);
});

test('what a subresource takes has its own shape', async () => {
  await world.ok('POST', DEPLOYMENTS, deployment('scaled'));
  const expression = 'Object{spec: Object.spec{replicas: object.spec.replicas * 2}}';
  await world.mutating('p', { matchConstraints: on('apps', 'deployments/scale'), mutations: [apply(expression)] });
  const { spec } = (await world.ok('PATCH', `${DEPLOYMENTS}/scaled/scale`, { spec: { replicas: 2 } })) as { spec?: unknown };
  assert.deepEqual(spec, { replicas: 4 });
  assert.equal(((await world.ok('GET', `${DEPLOYMENTS}/scaled`)) as Deployment).spec!.replicas, 4);
});
