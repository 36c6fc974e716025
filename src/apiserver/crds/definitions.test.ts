import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { openTestStorage, startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { KubeObject, WatchEvent } from '../../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { CustomResourceDefinition, JSONSchemaProps, Status } from '../../api/types.gen.ts';
import type { Storage } from '../../storage/storage.ts';
import { cronTab, cronTabs, SCHEMA } from './definitions.fixture.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const NAME = 'crontabs.stable.example.com';
const CRON_TABS = '/apis/stable.example.com/v1/namespaces/default/crontabs';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

function call(method: ApiRequest['method'], path: string, body?: unknown, contentType?: string): Promise<ApiResponse> {
  const headers = contentType ? { headers: { 'content-type': contentType } } : {};
  return api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...headers });
}

async function ok(method: ApiRequest['method'], url: string, body?: unknown, contentType?: string): Promise<KubeObject> {
  const response = await call(method, url, body, contentType);
  assert.ok(response.status < 300, JSON.stringify(response.body));
  return response.body as KubeObject;
}

async function refused(response: Promise<ApiResponse>, code: number, message: RegExp | string): Promise<void> {
  const { status, body } = await response;
  const text = (body as Status).message!;
  assert.equal(status, code, text);
  if (typeof message === 'string') assert.equal(text, message);
  else assert.match(text, message);
}

/** Follows `path` until `until` holds for an event's object. */
async function follow(path: string, until: (event: WatchEvent) => boolean): Promise<KubeObject> {
  const stop = new AbortController();
  const { events } = await api.loopback()({ method: 'GET', path: `${path}?watch=true`, signal: stop.signal });
  for await (const batch of events!) {
    const found = batch.find(until);
    if (!found) continue;
    stop.abort();
    return found.object;
  }
  throw new Error('the watch ended');
}

/** Resolves with the next change of what is served. */
function servedAnew(): Promise<void> {
  return new Promise((resolve) => {
    const stop = api.server.resources.onChange(() => {
      stop();
      resolve();
    });
  });
}

const conditions = (object: KubeObject): Record<string, string> =>
  Object.fromEntries(((object as unknown as CustomResourceDefinition).status?.conditions ?? []).map(({ type, status }) => [type, status]));

async function define(definition: object): Promise<void> {
  const { metadata } = await ok('POST', DEFINITIONS, definition);
  await follow(DEFINITIONS, ({ object }) => object.metadata.name === metadata.name && conditions(object)['Established'] === 'True');
}

async function undefine(name = NAME): Promise<void> {
  if ((await call('DELETE', `${DEFINITIONS}/${name}`)).status === 404) return;
  if ((await call('GET', `${DEFINITIONS}/${name}`)).status === 404) return;
  await follow(DEFINITIONS, ({ type, object }) => type === 'DELETED' && object.metadata.name === name);
}

describe('one version', () => {
  before(() => define(cronTabs()));
  after(() => undefine());

  test('is established with its names', async () => {
    const object = (await ok('GET', `${DEFINITIONS}/${NAME}`)) as unknown as CustomResourceDefinition;
    assert.deepEqual(
      object.status!.conditions!.map(({ type, status, reason, message }) => ({ type, status, reason, message })),
      [
        { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
        { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' },
      ],
    );
    assert.deepEqual(object.status!.acceptedNames, object.spec.names);
    assert.deepEqual(object.status!.storedVersions, ['v1']);
  });

  test('prunes, defaults, counts generations and keeps the status apart', async () => {
    const made = await ok('POST', CRON_TABS, { ...cronTab('shaped', { junk: 1, extra: { anything: 1 } }), status: { replicas: 3 } });
    assert.deepEqual(made['spec'], { cronSpec: '* * * * */5', extra: { anything: 1 }, image: 'busybox', replicas: 1 });
    assert.equal(made['status'], undefined);
    assert.equal(made.metadata.generation, 1);
    const path = `${CRON_TABS}/shaped`;
    const status = await ok('PATCH', `${path}/status`, { status: { replicas: 1 }, spec: { image: 'no' } }, 'application/merge-patch+json');
    assert.deepEqual([status['status'], status.metadata.generation], [{ replicas: 1 }, 1]);
    const changed = await ok('PATCH', path, { spec: { image: 'nginx' } }, 'application/merge-patch+json');
    assert.deepEqual([changed['status'], changed.metadata.generation], [{ replicas: 1 }, 2]);
    assert.equal((changed['spec'] as { image: string }).image, 'nginx');
  });

  const bad: { name: string; spec: object; message: string }[] = [
    {
      name: 'a maximum',
      spec: { replicas: 11 },
      message: 'spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10',
    },
    {
      name: 'a type',
      spec: { replicas: 'two' },
      message: 'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"',
    },
    { name: 'a required field', spec: { cronSpec: undefined }, message: 'spec.cronSpec: Required value' },
    {
      name: 'a list map with an item twice',
      spec: { ports: [{ name: 'a' }, { name: 'a' }] },
      message: 'spec.ports[1]: Duplicate value: {"name":"a"}',
    },
  ];
  for (const { name, spec, message } of bad) {
    test(`refuses ${name}`, () =>
      refused(call('POST', CRON_TABS, cronTab('bad', spec)), 422, `CronTab.stable.example.com "bad" is invalid: ${message}`));
  }

  test('refuses unknown fields where asked to', () =>
    refused(
      call('POST', `${CRON_TABS}?fieldValidation=Strict`, cronTab('strict', { junk: 1 })),
      400,
      'CronTab in version "v1" cannot be handled as a CronTab: strict decoding error: unknown field "spec.junk"',
    ));

  test('has no strategic merge patch', async () => {
    await ok('POST', CRON_TABS, cronTab('patched'));
    await refused(
      call('PATCH', `${CRON_TABS}/patched`, { spec: {} }, 'application/strategic-merge-patch+json'),
      415,
      /accepted media types include/,
    );
  });

  test('is scaled by its paths', async () => {
    await ok('POST', CRON_TABS, cronTab('scaled'));
    await ok('PATCH', `${CRON_TABS}/scaled/status`, { status: { replicas: 2, labelSelector: 'a=b' } }, 'application/merge-patch+json');
    const scale = await ok('PATCH', `${CRON_TABS}/scaled/scale`, { spec: { replicas: 4 } }, 'application/merge-patch+json');
    assert.deepEqual([scale['spec'], scale['status']], [{ replicas: 4 }, { replicas: 2, selector: 'a=b' }]);
    assert.equal(((await ok('GET', `${CRON_TABS}/scaled`))['spec'] as { replicas: number }).replicas, 4);
  });

  test('is selected by its fields and no others', async () => {
    await ok('POST', CRON_TABS, cronTab('selected', { image: 'redis' }));
    const { items } = (await ok('GET', `${CRON_TABS}?fieldSelector=spec.image%3Dredis`)) as unknown as { items: KubeObject[] };
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ['selected'],
    );
    await refused(call('GET', `${CRON_TABS}?fieldSelector=spec.foo%3Da`), 400, 'field label not supported: spec.foo');
  });

  test('is owned field by field', async () => {
    const configuration = cronTab('applied', { ports: [{ name: 'a', port: 'http' }] });
    const apply = (manager: string, body: object): Promise<ApiResponse> =>
      call('PATCH', `${CRON_TABS}/applied?fieldManager=${manager}`, body, 'application/apply-patch+yaml');
    assert.equal((await apply('one', configuration)).status, 201);
    await refused(
      apply('two', cronTab('applied', { cronSpec: '1 * * * *', ports: [{ name: 'b' }] })),
      409,
      /conflict with "one": .spec.cronSpec/,
    );
    assert.equal((await apply('two', { ...cronTab('applied'), spec: { cronSpec: '* * * * */5', ports: [{ name: 'b' }] } })).status, 200);
    const { ports } = (await ok('GET', `${CRON_TABS}/applied`))['spec'] as { ports: { name: string }[] };
    assert.deepEqual(
      ports.map(({ name }) => name),
      ['a', 'b'],
    );
  });

  test('is in discovery and in OpenAPI', async () => {
    const { resources } = (await ok('GET', '/apis/stable.example.com/v1')) as unknown as { resources: { name: string }[] };
    assert.deepEqual(
      resources.map(({ name }) => name),
      ['crontabs', 'crontabs/scale', 'crontabs/status'],
    );
    const document = await ok('GET', '/openapi/v3/apis/stable.example.com/v1');
    const { schemas } = document['components'] as { schemas: Record<string, JSONSchemaProps> };
    const { cronSpec } = schemas['com.example.stable.v1.CronTab']!.properties!['spec']!.properties!;
    assert.deepEqual(cronSpec, SCHEMA.properties!['spec']!.properties!['cronSpec']);
  });
});

describe('a definition that changes', () => {
  beforeEach(() => undefine());
  after(() => undefine());

  test('shows stored objects by its new schema', async () => {
    await define(cronTabs());
    await ok('POST', CRON_TABS, cronTab('old', { extra: { a: 1 } }));
    const spec = SCHEMA.properties!['spec']!;
    const { extra: _extra, ...properties } = spec.properties!;
    const schema = { ...SCHEMA, properties: { spec: { ...spec, properties: { ...properties, size: { type: 'integer', default: 3 } } } } };
    const anew = servedAnew();
    await ok('PATCH', `${DEFINITIONS}/${NAME}`, { spec: (cronTabs({ schema }) as { spec: object }).spec }, 'application/merge-patch+json');
    await anew;
    assert.deepEqual((await ok('GET', `${CRON_TABS}/old`))['spec'], { cronSpec: '* * * * */5', image: 'busybox', replicas: 1, size: 3 });
  });

  test('converts between versions by name, and serves what it says', async () => {
    const versions = (served: boolean): object[] => [
      { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: SCHEMA } },
      { name: 'v1beta1', served, storage: false, deprecated: true, schema: { openAPIV3Schema: SCHEMA } },
    ];
    await define(cronTabs({ spec: { versions: versions(true) } }));
    const beta = '/apis/stable.example.com/v1beta1/namespaces/default/crontabs';
    const made = await call('POST', beta, { ...cronTab('two'), apiVersion: 'stable.example.com/v1beta1' });
    assert.equal((made.body as KubeObject).apiVersion, 'stable.example.com/v1beta1');
    assert.equal(made.headers['warning'], '299 - "stable.example.com/v1beta1 CronTab is deprecated"');
    assert.equal((await ok('GET', `${CRON_TABS}/two`)).apiVersion, 'stable.example.com/v1');
    const changed = await ok('PATCH', `${beta}/two`, { spec: { replicas: 2 } }, 'application/merge-patch+json');
    assert.equal(changed.apiVersion, 'stable.example.com/v1beta1');
    const anew = servedAnew();
    await ok('PATCH', `${DEFINITIONS}/${NAME}`, { spec: { versions: versions(false) } }, 'application/merge-patch+json');
    await anew;
    assert.equal((await call('GET', beta)).status, 404);
    assert.equal((await ok('GET', `${CRON_TABS}/two`)).apiVersion, 'stable.example.com/v1');
  });

  test('does not get names that another has', async () => {
    await define(cronTabs());
    const other = {
      ...cronTabs({ spec: { names: { plural: 'others', kind: 'Other', shortNames: ['ct'] } } }),
      metadata: { name: 'others.stable.example.com' },
    };
    await ok('POST', DEFINITIONS, other);
    const waits = await follow(DEFINITIONS, ({ object }) => conditions(object)['NamesAccepted'] === 'False');
    assert.equal(conditions(waits)['Established'], 'False');
    const { message } = (waits as unknown as CustomResourceDefinition).status!.conditions!.find(({ type }) => type === 'NamesAccepted')!;
    assert.equal(message, '"ct" is already in use');
    await undefine();
    await follow(
      DEFINITIONS,
      ({ object }) => object.metadata.name === 'others.stable.example.com' && conditions(object)['Established'] === 'True',
    );
    await undefine('others.stable.example.com');
  });

  test('takes its objects along, those with finalizers when these are done', async () => {
    await define(cronTabs());
    const held = { ...cronTab('held'), metadata: { name: 'held', finalizers: ['example.com/hold'] } };
    await ok('POST', CRON_TABS, held);
    await ok('POST', CRON_TABS, cronTab('free'));
    await ok('DELETE', `${DEFINITIONS}/${NAME}`);
    await follow(CRON_TABS, ({ object }) => object.metadata.name === 'held' && object.metadata.deletionTimestamp !== undefined);
    await refused(call('POST', CRON_TABS, cronTab('late')), 405, /does not allow this method/);
    const waiting = await ok('GET', `${DEFINITIONS}/${NAME}`);
    assert.deepEqual(waiting.metadata.finalizers, ['customresourcecleanup.apiextensions.k8s.io']);
    assert.equal(conditions(waiting)['Terminating'], 'True');
    const watched = follow(CRON_TABS, ({ type }) => type === 'DELETED');
    const anew = servedAnew();
    await ok('PATCH', `${CRON_TABS}/held`, { metadata: { finalizers: null } }, 'application/merge-patch+json');
    await anew;
    assert.equal((await watched).metadata.name, 'held');
    assert.equal((await call('GET', CRON_TABS)).status, 404);
    assert.equal((await call('GET', `${DEFINITIONS}/${NAME}`)).status, 404);
  });
});

test('what was defined is served again after a restart, objects of an older storage version too', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-crds-'));
  const versions = (storage: string): object[] =>
    ['v1', 'v1beta1'].map((name) => ({ name, served: true, storage: name === storage, schema: { openAPIV3Schema: SCHEMA } }));
  const open = (): Promise<Storage> => openTestStorage(folder);
  const first = await startTestApiServer({ open });
  const send = (to: TestApiServer, method: ApiRequest['method'], url: string, body?: unknown): Promise<ApiResponse> =>
    to.loopback()({
      method,
      path: url,
      ...(body ? { body } : {}),
      headers: { 'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json' },
    });
  try {
    const served = new Promise<void>((resolve) => first.server.resources.onChange(resolve));
    await send(first, 'POST', DEFINITIONS, cronTabs({ spec: { versions: versions('v1beta1') } }));
    await served;
    await send(first, 'POST', CRON_TABS, cronTab('kept'));
    const changed = await send(first, 'PATCH', `${DEFINITIONS}/${NAME}`, { spec: { versions: versions('v1') } });
    assert.deepEqual((changed.body as CustomResourceDefinition).status!.storedVersions, ['v1beta1', 'v1']);
  } finally {
    await first.close();
  }
  const second = await startTestApiServer({ open });
  try {
    const { status, body } = await send(second, 'GET', `${CRON_TABS}/kept`);
    assert.deepEqual([status, (body as KubeObject).apiVersion], [200, 'stable.example.com/v1']);
  } finally {
    await second.close();
    await rm(folder, { recursive: true });
  }
});
