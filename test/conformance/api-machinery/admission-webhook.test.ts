import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { V1APIGroup, V1APIGroupList, V1APIResourceList, V1ConfigMap, V1Pod } from '@kubernetes/client-node';
import type { WebhookServer } from '../../fixtures/webhook-server.ts';
import { conformance, IMAGES, until, type RawAnswer, type World } from '../harness.ts';
import { rest, type Kube } from '../rest.ts';
import { define, definition, DEFINITIONS, version } from './definitions.ts';
import {
  collection,
  configMaps,
  configure,
  hook,
  RULE,
  SLOW_MS,
  startReviewers,
  UNWANTED,
  UNWANTED_MESSAGE,
  type Hook,
  type Type,
} from './webhooks.ts';

const post = (world: World, path: string, body: object): Promise<RawAnswer> => world.request({ method: 'POST', path, body });
const pods = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}/pods`;
const pod = (name: string, container = 'web'): object => ({
  metadata: { name },
  spec: { containers: [{ name: container, image: IMAGES.shell, command: ['sleep', '3600'] }] },
});

async function denied(answer: Promise<RawAnswer>, text: string): Promise<void> {
  const { status, text: body } = await answer;
  assert.ok(status >= 400 && body.includes(text), `${status} without "${text}": ${body}`);
}

async function taken(answer: Promise<RawAnswer>): Promise<void> {
  const { status, text } = await answer;
  assert.ok(status < 300, `${status}: ${text}`);
}

const NAMES = {
  validating: {
    changing: '[Privileged:ClusterAdmin] patching/updating a validating webhook should work',
    listing: '[Privileged:ClusterAdmin] listing validating webhooks should work',
    conditions: '[Privileged:ClusterAdmin] should be able to create and update validating webhook configurations with match conditions',
    invalidConditions: '[Privileged:ClusterAdmin] should reject validating webhook configurations with invalid match conditions',
  },
  mutating: {
    changing: '[Privileged:ClusterAdmin] patching/updating a mutating webhook should work',
    listing: '[Privileged:ClusterAdmin] listing mutating webhooks should work',
    conditions: '[Privileged:ClusterAdmin] should be able to create and update mutating webhook configurations with match conditions',
    invalidConditions: '[Privileged:ClusterAdmin] should reject mutating webhook configurations with invalid match conditions',
  },
} as const;

const DATA = {
  type: 'object',
  properties: { data: { type: 'object', additionalProperties: { type: 'string' } } },
};

interface WithData extends Kube {
  data?: Record<string, string>;
}

interface Configuration extends Kube {
  webhooks: { rules: { operations: string[] }[]; matchConditions?: object[] }[];
}

/** A webhook of each type, and how it shows in what becomes of a new ConfigMap. */
function effectOf(type: Type): { path: string; works(world: World): Promise<boolean> } {
  const tried = (world: World, data: object): Promise<RawAnswer> =>
    post(world, `${configMaps(world)}?dryRun=All`, { metadata: { name: 'tried' }, data });
  if (type === 'validating')
    return {
      path: '/configmaps',
      works: async (world) => (await tried(world, UNWANTED)).text.includes(UNWANTED_MESSAGE),
    };
  return {
    path: '/mutate/1',
    works: async (world) => (await tried(world, { 'mutation-start': 'yes' })).json<V1ConfigMap>().data?.['mutation-stage-1'] === 'yes',
  };
}

/** A Service whose one endpoint is a port of this machine. */
async function expose(world: World, name: string, port: number): Promise<void> {
  const { create } = rest(world);
  await create(`/api/v1/namespaces/${world.namespace}/services`, {
    metadata: { name },
    spec: { ports: [{ port: 8443, targetPort: port }] },
  });
  await create(`/apis/discovery.k8s.io/v1/namespaces/${world.namespace}/endpointslices`, {
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ port }],
  });
}

conformance('api-machinery', 'AdmissionWebhook', {}, (behaviour) => {
  let server: WebhookServer;
  before(async () => void (server = await startReviewers()));
  after(() => server?.close());
  const at = (path: string, fields: Omit<Hook, 'clientConfig'> = {}): Hook => ({ clientConfig: server.at(path), ...fields });
  const validating = (world: World, ...hooks: Hook[]): Promise<string> => configure(world, 'validating', hooks, { server });
  const mutating = (world: World, ...hooks: Hook[]): Promise<string> => configure(world, 'mutating', hooks, { server });

  behaviour('[Privileged:ClusterAdmin] should include webhook resources in discovery documents', async (world) => {
    const { groups } = await rest(world).get<V1APIGroupList>('/apis');
    const group = groups.find(({ name }) => name === 'admissionregistration.k8s.io');
    assert.ok(group?.versions.some(({ groupVersion }) => groupVersion === 'admissionregistration.k8s.io/v1'));
    const own = await rest(world).get<V1APIGroup>('/apis/admissionregistration.k8s.io');
    assert.ok(own.versions.some(({ version: each }) => each === 'v1'));
    const { resources } = await rest(world).get<V1APIResourceList>('/apis/admissionregistration.k8s.io/v1');
    for (const type of ['mutating', 'validating']) assert.ok(resources.some(({ name }) => name === `${type}webhookconfigurations`));
  });

  behaviour('[Privileged:ClusterAdmin] should be able to deny pod and configmap creation', async (world) => {
    const behind = await startReviewers([`reviewer.${world.namespace}.svc`]);
    world.test.after(() => behind.close());
    await expose(world, 'reviewer', behind.port);
    const clientConfig = (path: string): object => ({
      service: { namespace: world.namespace, name: 'reviewer', path, port: 8443 },
      caBundle: behind.caBundle,
    });
    const create = { ...RULE, operations: ['CREATE'] };
    await validating(
      world,
      { clientConfig: clientConfig('/pods'), rules: [{ ...create, resources: ['pods'] }] },
      { clientConfig: clientConfig('/configmaps'), rules: [{ ...RULE, operations: ['CREATE', 'UPDATE'] }] },
      at('/slow', { rules: [{ ...create, resources: ['pods'] }], objectSelector: { matchLabels: { hang: 'yes' } }, timeoutSeconds: 1 }),
    );
    await denied(post(world, pods(world), pod('disallowed', 'webhook-disallow')), 'the pod contains unwanted container name');
    await denied(post(world, pods(world), { ...pod('hanging'), metadata: { name: 'hanging', labels: { hang: 'yes' } } }), 'deadline');
    await denied(post(world, configMaps(world), { metadata: { name: 'disallowed' }, data: UNWANTED }), UNWANTED_MESSAGE);
    await taken(post(world, configMaps(world), { metadata: { name: 'allowed' }, data: { admit: 'this' } }));
    const allowed = `${configMaps(world)}/allowed`;
    const live = await rest(world).get<V1ConfigMap>(allowed);
    await denied(world.request({ method: 'PUT', path: allowed, body: { ...live, data: UNWANTED } }), UNWANTED_MESSAGE);
    await denied(
      world.request({
        method: 'PATCH',
        path: allowed,
        body: { data: UNWANTED },
        headers: { 'content-type': 'application/merge-patch+json' },
      }),
      UNWANTED_MESSAGE,
    );
    const elsewhere = await world.createNamespace();
    await taken(post(world, configMaps({ namespace: elsewhere }), { metadata: { name: 'disallowed' }, data: UNWANTED }));
  });

  behaviour('[Privileged:ClusterAdmin] should be able to deny attaching pod', async (world) => {
    await validating(world, at('/attach', { rules: [{ ...RULE, operations: ['CONNECT'], resources: ['pods/attach'] }] }));
    await taken(post(world, pods(world), pod('to-be-attached-pod')));
    await until(
      async () => (await rest(world).get<V1Pod>(`${pods(world)}/to-be-attached-pod`)).status?.phase === 'Running',
      'the pod runs',
    );
    const { stderr, exitCode } = await world.kubectl(['attach', '-i', 'to-be-attached-pod', '-c=web'], { reject: false });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /attaching to pod 'to-be-attached-pod' is not allowed/);
  });

  behaviour('[Privileged:ClusterAdmin] should be able to deny custom resource creation, update and deletion', async (world) => {
    const { group, plural, objects } = await define(world, definition([version('v1', DATA)]));
    const rules = [{ ...RULE, operations: ['CREATE', 'UPDATE', 'DELETE'], apiGroups: [group], apiVersions: ['*'], resources: [plural] }];
    const path = await validating(world, at('/custom-resource', { rules }));
    const body = (name: string, data: object): object => ({ metadata: { name }, data });
    await denied(post(world, objects(), body('unwanted', UNWANTED)), 'the custom resource contains unwanted data');
    await taken(post(world, objects(), body('wanted', {})));
    const live = await rest(world).get(`${objects()}/wanted`);
    await denied(
      world.request({ method: 'PUT', path: `${objects()}/wanted`, body: { ...live, data: UNWANTED } }),
      'the custom resource contains unwanted data',
    );
    // One that came before its webhook cannot go because of it, and can when it has changed.
    await rest(world).remove(path);
    await until(async () => (await post(world, `${objects()}?dryRun=All`, body('probe', UNWANTED))).status === 201, 'the webhook is gone');
    await taken(post(world, objects(), body('undeletable', UNWANTED)));
    await validating(world, at('/custom-resource', { rules }));
    await denied(
      world.request({ method: 'DELETE', path: `${objects()}/undeletable` }),
      'cannot be deleted because it contains unwanted key and value',
    );
    await rest(world).patch(`${objects()}/undeletable`, { data: { 'webhook-e2e-test': 'webhook-allow' } });
    await rest(world).remove(`${objects()}/undeletable`);
  });

  behaviour('[Privileged:ClusterAdmin] should unconditionally reject operations on fail closed webhook', async (world) => {
    const unreachable = { url: server.at('/always-deny').url, caBundle: undefined };
    await validating(world, { clientConfig: unreachable, rules: [{ ...RULE, operations: ['CREATE'] }], failurePolicy: 'Fail' });
    const { status, text } = await post(world, configMaps(world), { metadata: { name: 'unreachable' } });
    assert.equal(status, 500, text);
    assert.match(text, /failed calling webhook/);
  });

  behaviour('[Privileged:ClusterAdmin] should mutate configmap', async (world) => {
    await mutating(world, at('/mutate/1'), at('/mutate/2'));
    const made = await rest(world).create<V1ConfigMap>(configMaps(world), {
      metadata: { name: 'to-be-mutated' },
      data: { 'mutation-start': 'yes' },
    });
    assert.deepEqual(made.data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' });
  });

  behaviour('[Privileged:ClusterAdmin] should mutate pod and apply defaults after mutation', async (world) => {
    await mutating(world, at('/init-container', { rules: [{ ...RULE, operations: ['CREATE'], resources: ['pods'] }] }));
    const made = await rest(world).create<V1Pod>(pods(world), pod('webhook-to-be-mutated'));
    const [added, ...others] = made.spec!.initContainers!;
    assert.equal(others.length, 0);
    assert.equal(added!.name, 'webhook-added-init-container');
    assert.equal(added!.terminationMessagePolicy, 'File');
  });

  behaviour(
    '[Privileged:ClusterAdmin] should not be able to mutate or prevent deletion of webhook configuration objects',
    async (world) => {
      const rules = [
        {
          operations: ['*'],
          apiGroups: ['admissionregistration.k8s.io'],
          apiVersions: ['*'],
          resources: ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'],
        },
      ];
      await validating(world, at('/always-deny', { rules, namespaceSelector: {} }));
      await mutating(world, at('/add-label', { rules, namespaceSelector: {} }));
      for (const type of ['mutating', 'validating'] as const) {
        const name = `e2e-dummy-${type}-${world.namespace}`;
        const webhooks = [hook(world, at('/always-deny', { rules: [{ ...RULE, apiGroups: ['nobody'] }] }))];
        const made = await rest(world).create(collection(type), { metadata: { name }, webhooks });
        assert.equal(made.metadata!.labels, undefined);
        await rest(world).remove(`${collection(type)}/${name}`);
      }
    },
  );

  behaviour('[Privileged:ClusterAdmin] should mutate custom resource', async (world) => {
    const { group, plural, objects } = await define(world, definition([version('v1', DATA)]));
    const rules = [{ ...RULE, apiGroups: [group], resources: [plural] }];
    await mutating(world, at('/mutate/1', { rules }), at('/mutate/2', { rules }));
    const made = await rest(world).create<WithData>(objects(), { metadata: { name: 'mutated' }, data: { 'mutation-start': 'yes' } });
    assert.deepEqual(made.data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' });
  });

  behaviour('[Privileged:ClusterAdmin] should deny crd creation', async (world) => {
    const label = { 'webhook-e2e-test': `disallow-${world.namespace}` };
    const rules = [
      { operations: ['CREATE'], apiGroups: ['apiextensions.k8s.io'], apiVersions: ['*'], resources: ['customresourcedefinitions'] },
    ];
    await validating(world, at('/crd', { rules, namespaceSelector: {}, objectSelector: { matchLabels: label } }));
    const body = definition([version('v1', DATA)]);
    body.metadata!.labels = label;
    await denied(post(world, DEFINITIONS, body), 'the crd contains unwanted label');
  });

  behaviour('[Privileged:ClusterAdmin] should mutate custom resource with different stored version', async (world) => {
    const versions = [version('v1', DATA), version('v2', DATA, { storage: false })];
    const { group, plural, objects, path } = await define(world, definition(versions));
    const rules = [{ ...RULE, operations: ['CREATE', 'UPDATE'], apiGroups: [group], apiVersions: ['v1'], resources: [plural] }];
    await mutating(world, at('/mutate/1', { rules }), at('/mutate/2', { rules }));
    const made = await rest(world).create<WithData>(objects('v1'), { metadata: { name: 'mutated' }, data: {} });
    assert.deepEqual(made.data ?? {}, {});
    await rest(world).patch(
      path,
      [
        { op: 'replace', path: '/spec/versions/0/storage', value: false },
        { op: 'replace', path: '/spec/versions/1/storage', value: true },
      ],
      'json',
    );
    // Stored as v1 still, asked for as v2 and reviewed as v1: the equivalent version.
    const patched = await until(async () => {
      const answer = await world.request({
        method: 'PATCH',
        path: `${objects('v2')}/mutated`,
        body: { data: { 'mutation-start': 'yes' } },
        headers: { 'content-type': 'application/merge-patch+json' },
      });
      return answer.status === 200 ? answer.json<WithData>() : undefined;
    }, 'the patch is taken');
    assert.equal(patched.apiVersion, `${group}/v2`);
    assert.deepEqual(patched.data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' });
  });

  behaviour('[Privileged:ClusterAdmin] should mutate custom resource with pruning', async (world) => {
    const properties = { 'mutation-start': { type: 'string' }, 'mutation-stage-1': { type: 'string' } };
    const pruned = { type: 'object', properties: { data: { type: 'object', properties } } };
    const { group, plural, objects } = await define(world, definition([version('v1', pruned)]));
    const rules = [{ ...RULE, apiGroups: [group], resources: [plural] }];
    await mutating(world, at('/mutate/1', { rules }), at('/mutate/2', { rules }));
    const made = await rest(world).create<WithData>(objects(), { metadata: { name: 'mutated' }, data: { 'mutation-start': 'yes' } });
    assert.deepEqual(made.data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes' });
  });

  behaviour('[Privileged:ClusterAdmin] should honor timeout', async (world) => {
    const rules = [{ ...RULE, operations: ['CREATE'] }];
    const selected = (name: string): object => ({ objectSelector: { matchLabels: { timeout: name } } });
    await validating(
      world,
      at('/slow', { rules, ...selected('short'), timeoutSeconds: 1, failurePolicy: 'Fail' }),
      at('/slow', { rules, ...selected('short-ignored'), timeoutSeconds: 1, failurePolicy: 'Ignore' }),
      at('/slow', { rules, ...selected('long'), timeoutSeconds: SLOW_MS / 1000 + 10 }),
      at('/slow', { rules, ...selected('default') }),
    );
    const create = (timeout: string): Promise<RawAnswer> =>
      post(world, configMaps(world), { metadata: { name: timeout, labels: { timeout } } });
    await Promise.all([
      denied(create('short'), 'deadline'),
      taken(create('short-ignored')),
      taken(create('long')),
      taken(create('default')),
    ]);
  });

  for (const type of ['validating', 'mutating'] as const) {
    const effect = effectOf(type);
    const names = NAMES[type];
    behaviour(names.changing, async (world) => {
      const rules = [RULE];
      const path = await configure(world, type, [at(effect.path, { rules })], { server });
      const isInForce = (): Promise<boolean> => effect.works(world);
      assert.ok(await isInForce());
      await rest(world).update<Configuration>(path, ({ webhooks }) => (webhooks[1]!.rules[0]!.operations = ['UPDATE']));
      await until(async () => !(await isInForce()), 'creations are not reviewed any more');
      await rest(world).patch(path, [{ op: 'replace', path: '/webhooks/1/rules/0/operations', value: ['CREATE'] }], 'json');
      await until(isInForce, 'creations are reviewed again');
    });

    behaviour(names.listing, async (world) => {
      const labels = { 'e2e-list-test-webhooks': world.namespace };
      const selector = `labelSelector=${encodeURIComponent(`e2e-list-test-webhooks=${world.namespace}`)}`;
      for (let each = 0; each < 3; each++) await configure(world, type, [at(effect.path)], { labels, server });
      assert.equal((await rest(world).list(`${collection(type)}?${selector}`)).length, 3);
      assert.ok(await effect.works(world));
      await rest(world).remove(`${collection(type)}?${selector}`);
      await until(async () => !(await effect.works(world)), 'nobody reviews any more');
    });

    behaviour(names.conditions, async (world) => {
      const skip = [{ name: 'skip', expression: "object.metadata.name != 'skipped'" }];
      const path = await configure(world, type, [at(effect.path, { matchConditions: skip })], { server });
      const read = async (): Promise<unknown> => (await rest(world).get<Configuration>(path)).webhooks[1]!.matchConditions;
      assert.deepEqual(await read(), skip);
      const other = [{ name: 'skip', expression: "object.metadata.name != 'else'" }];
      await rest(world).update<Configuration>(path, ({ webhooks }) => (webhooks[1]!.matchConditions = other));
      assert.deepEqual(await read(), other);
    });

    behaviour(names.invalidConditions, async (world) => {
      const webhooks = [hook(world, at(effect.path, { matchConditions: [{ name: 'invalid', expression: '... [] bad expression' }] }))];
      const { status, text } = await post(world, collection(type), { metadata: { name: `invalid-${world.namespace}` }, webhooks });
      assert.equal(status, 422, text);
      assert.match(text, /webhooks\[0\]\.matchConditions\[0\]\.expression.*compilation failed/s);
    });
  }

  behaviour("[Privileged:ClusterAdmin] should mutate everything except 'skip-me' configmaps", async (world) => {
    const matchConditions = [{ name: 'skip-me', expression: "object.metadata.name != 'skip-me'" }];
    await mutating(world, at('/mutate/1', { matchConditions }));
    const create = async (name: string): Promise<V1ConfigMap['data']> =>
      (await rest(world).create<V1ConfigMap>(configMaps(world), { metadata: { name }, data: { 'mutation-start': 'yes' } })).data;
    assert.deepEqual(await create('skip-me'), { 'mutation-start': 'yes' });
    assert.deepEqual(await create('mutate-me'), { 'mutation-start': 'yes', 'mutation-stage-1': 'yes' });
  });
});
