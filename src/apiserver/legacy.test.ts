import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ADMIN, startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import { legacyResources } from '../api/legacy/resources.ts';
import type { KubeObject, WatchEvent } from '../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { Deployment, Status } from '../api/types.gen.ts';
import { overHttps } from './aggregation/https.fixture.ts';

const OLD = '/apis/extensions/v1beta1/namespaces/default/deployments';
const NEW = '/apis/apps/v1/namespaces/default/deployments';
const WARNING = 'extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

function call(method: ApiRequest['method'], path: string, body?: unknown, contentType = 'application/json'): Promise<ApiResponse> {
  return api.loopback(ADMIN)({ method, path, ...(body === undefined ? {} : { body }), headers: { 'content-type': contentType } });
}

async function get<T>(path: string): Promise<T> {
  return (await call('GET', path)).body as T;
}

const web = (name: string): object => ({
  apiVersion: 'extensions/v1beta1',
  kind: 'Deployment',
  metadata: { name },
  spec: { template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx:1.7.9' }] } } },
});

test('not served unless asked for', async () => {
  assert.equal((await call('GET', OLD)).status, 404);
});

describe('versions of old', () => {
  const infos = legacyResources();
  before(() => api.server.resources.replace([], infos));

  test('create: warned, with the defaults of old, and the same object in both versions', async () => {
    const made = await overHttps(api, 'POST', OLD, { body: JSON.stringify(web('one')) });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.headers['warning'], `299 - "${WARNING}"`);
    const old = JSON.parse(made.text) as Deployment;
    assert.equal(old.apiVersion, 'extensions/v1beta1');
    const today = await get<Deployment>(`${NEW}/one`);
    assert.equal(today.apiVersion, 'apps/v1');
    assert.equal(today.metadata.uid, old.metadata.uid);
    assert.deepEqual(today.spec!.selector, { matchLabels: { app: 'one' } });
    assert.deepEqual(today.spec!.strategy!.rollingUpdate, { maxSurge: 1, maxUnavailable: 1 });
    assert.deepEqual(today.metadata.labels, { app: 'one' });
  });

  test('what is wrong is told as ever', async () => {
    const { spec } = web('two') as Deployment;
    const bad = { ...web('two'), spec: { ...spec, replicas: -1 } };
    const { status, body } = await call('POST', OLD, bad);
    assert.equal(status, 422);
    assert.match((body as Status).message!, /Deployment\.extensions "two" is invalid: spec\.replicas: Invalid value: -1/);
  });

  test('patches of every kind in both versions, status and scale', async () => {
    const patched = async (path: string, body: unknown, type: string): Promise<Deployment> =>
      (await call('PATCH', path, body, type)).body as Deployment;
    const image = { spec: { template: { spec: { containers: [{ name: 'c', image: 'nginx:1.8' }] } } } };
    assert.equal((await patched(`${OLD}/one`, image, 'application/strategic-merge-patch+json')).metadata.generation, 2);
    assert.equal((await patched(`${NEW}/one`, { metadata: { labels: { b: 'c' } } }, 'application/merge-patch+json')).apiVersion, 'apps/v1');
    const list = [{ op: 'replace', path: '/spec/replicas', value: 3 }];
    assert.equal((await patched(`${OLD}/one`, list, 'application/json-patch+json')).spec!.replicas, 3);
    const rolledBack = await patched(`${OLD}/one`, { spec: { rollbackTo: { revision: 1 } } }, 'application/merge-patch+json');
    assert.deepEqual((rolledBack.spec as { rollbackTo?: object }).rollbackTo, { revision: 1 });
    assert.equal((await get<Deployment>(`${NEW}/one`)).metadata.annotations!['deprecated.deployment.rollback.to'], '1');
    const scale = await call('PATCH', `${OLD}/one/scale`, { spec: { replicas: 2 } }, 'application/merge-patch+json');
    assert.equal(scale.status, 200, JSON.stringify(scale.body));
    const status = await call(
      'PATCH',
      `${OLD}/one/status`,
      { status: { replicas: 2, observedGeneration: 1 } },
      'application/merge-patch+json',
    );
    assert.equal((status.body as Deployment).status!.replicas, 2);
    assert.equal((await get<Deployment>(`${NEW}/one`)).spec!.replicas, 2);
  });

  test('apply creates and changes, and owns only what was stated', async () => {
    const path = `${OLD}/applied?fieldManager=me`;
    const made = await call('PATCH', path, web('applied'), 'application/apply-patch+yaml');
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { metadata, spec } = await get<Deployment>(`${NEW}/applied`);
    assert.deepEqual(spec!.selector, { matchLabels: { app: 'applied' } });
    const owned = JSON.stringify(metadata.managedFields!.find(({ manager }) => manager === 'me'));
    assert.doesNotMatch(owned, /f:selector|f:progressDeadlineSeconds/);
    const again = await call(
      'PATCH',
      path,
      { ...web('applied'), metadata: { name: 'applied', labels: { x: 'y' } } },
      'application/apply-patch+yaml',
    );
    assert.equal(again.status, 200, JSON.stringify(again.body));
  });

  test('a watch in each version sees every write', async () => {
    const ended = new AbortController();
    const { metadata } = await get<{ metadata: { resourceVersion: string } }>(NEW);
    const read = async (path: string): Promise<string[]> => {
      const url = `${path}?watch=true&resourceVersion=${metadata.resourceVersion}`;
      const { events } = await api.loopback()({ method: 'GET', path: url, signal: ended.signal });
      const seen: string[] = [];
      for await (const batch of events as AsyncIterable<readonly WatchEvent[]>) {
        seen.push(...batch.map(({ type, object }) => `${type} ${object.apiVersion} ${object.metadata.name}`));
        if (seen.length >= 2) break;
      }
      return seen;
    };
    const both = Promise.all([read(OLD), read(NEW)]);
    await call('POST', OLD, web('seen'));
    await call('DELETE', `${NEW}/seen?propagationPolicy=Background`);
    const [old, today] = await both;
    ended.abort();
    assert.deepEqual(old, ['ADDED extensions/v1beta1 seen', 'DELETED extensions/v1beta1 seen']);
    assert.deepEqual(today, ['ADDED apps/v1 seen', 'DELETED apps/v1 seen']);
  });

  test('DELETE without a word on dependents leaves them, as it did', async () => {
    await call('POST', OLD, web('left'));
    const { body } = await call('DELETE', `${OLD}/left`);
    assert.equal((body as { kind: string }).kind, 'Deployment', 'it waits for its dependents to be let go');
    assert.deepEqual((await get<Deployment>(`${NEW}/left`)).metadata.finalizers, ['orphan']);
    await call('POST', NEW, {
      ...web('taken'),
      apiVersion: 'apps/v1',
      spec: { ...(web('taken') as Deployment).spec, selector: { matchLabels: { app: 'taken' } } },
    });
    assert.equal((await call('DELETE', `${NEW}/taken`)).status, 200);
    assert.equal((await call('GET', `${NEW}/taken`)).status, 404);
  });

  test('an Ingress of old and one of today', async () => {
    const old = {
      apiVersion: 'networking.k8s.io/v1beta1',
      kind: 'Ingress',
      metadata: { name: 'shop' },
      spec: { rules: [{ host: 'a.b', http: { paths: [{ path: '/', backend: { serviceName: 's', servicePort: 80 } }] } }] },
    };
    assert.equal((await call('POST', '/apis/networking.k8s.io/v1beta1/namespaces/default/ingresses', old)).status, 201);
    const today = await get<KubeObject>('/apis/networking.k8s.io/v1/namespaces/default/ingresses/shop');
    assert.match(JSON.stringify(today['spec']), /"service":\{"name":"s","port":\{"number":80\}\}/);
    const older = await get<KubeObject>('/apis/extensions/v1beta1/namespaces/default/ingresses/shop');
    assert.match(JSON.stringify(older['spec']), /"serviceName":"s","servicePort":80/);
  });

  test('every one of them lists, and as a Table', async () => {
    for (const info of infos) {
      const path = `/apis/${info.group}/${info.version}/${info.resource}`;
      const table = await overHttps(api, 'GET', path, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
      assert.equal(table.status, 200, `${path}: ${table.text}`);
    }
    const rows = await overHttps(api, 'GET', '/apis/extensions/v1beta1/deployments', {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    });
    assert.match(rows.text, /"cells":\["one","0\/2"/);
  });

  test('protobuf knows them', async () => {
    const answer = await overHttps(api, 'GET', `${OLD}/one`, { accept: 'application/vnd.kubernetes.protobuf' });
    assert.equal(answer.status, 200);
    assert.match(answer.text, /^k8s\0/);
    assert.match(answer.text, /extensions\/v1beta1/);
  });

  test('discovery, OpenAPI and APIServices show them, behind those of today', async () => {
    const { groups } = await get<{ groups: { name: string; versions: { version: string }[] }[] }>('/apis');
    const apps = groups.find(({ name }) => name === 'apps')!;
    assert.deepEqual(
      apps.versions.map(({ version }) => version),
      ['v1', 'v1beta2', 'v1beta1'],
    );
    assert.ok(groups.findIndex(({ name }) => name === 'extensions') > groups.findIndex(({ name }) => name === 'networking.k8s.io'));
    const list = await get<{ resources: { name: string }[] }>('/apis/extensions/v1beta1');
    assert.ok(list.resources.some(({ name }) => name === 'deployments/scale'));
    const document = await get<{ components: { schemas: Record<string, { properties: object }> } }>('/openapi/v3/apis/extensions/v1beta1');
    assert.ok('rollbackTo' in document.components.schemas['io.k8s.api.extensions.v1beta1.DeploymentSpec']!.properties);
    const path = '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.extensions';
    await eventually(async () => assert.equal((await call('GET', path)).status, 200));
  });

  test('they go, and the objects stay', async () => {
    api.server.resources.replace(infos, []);
    assert.equal((await call('GET', `${OLD}/one`)).status, 404);
    assert.equal((await call('GET', `${NEW}/one`)).status, 200);
    const { groups } = await get<{ groups: { name: string }[] }>('/apis');
    assert.ok(!groups.some(({ name }) => name === 'extensions'));
    await eventually(async () =>
      assert.equal((await call('GET', '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.extensions')).status, 404),
    );
  });
});
