import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ADMIN, startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { startSampleApiServer, type SampleApiServer } from '../../../test/fixtures/sample-apiserver.ts';
import { cronTabs } from '../crds/definitions.fixture.ts';
import { overHttps, type Answer, type Sent } from './https.fixture.ts';
import type { KubeObject, WatchEvent } from '../../api/meta.ts';
import type { ApiRequest, ApiResponse, UserInfo } from '../../api/transport.ts';
import type { APIService, Status } from '../../api/types.gen.ts';

const API_SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const FLUNDERS = '/apis/wardle.example.com/v1alpha1/namespaces/default/flunders';
const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

function call(method: ApiRequest['method'], path: string, body?: unknown, user: UserInfo = ADMIN): Promise<ApiResponse> {
  return api.loopback(user)({ method, path, ...(body === undefined ? {} : { body }) });
}

async function get<T>(path: string, headers: Record<string, string> = {}): Promise<T> {
  const { body } = await api.loopback()({ method: 'GET', path, headers });
  return body as T;
}

const apiServices = async (): Promise<APIService[]> => (await get<{ items: APIService[] }>(API_SERVICES)).items;
const condition = async (name: string): Promise<string> => {
  const { status } = await get<APIService>(`${API_SERVICES}/${name}`);
  const found = status?.conditions?.find(({ type }) => type === 'Available');
  return found ? `${found.status} ${found.reason}: ${found.message}` : '';
};

const https = (method: string, path: string, sent?: Sent): Promise<Answer> => overHttps(api, method, path, sent);

describe('APIServices of what the server serves itself', () => {
  test('one for each group version, Local and available', async () => {
    await eventually(async () => assert.ok((await apiServices()).length > 15));
    const items = await apiServices();
    const apps = items.find(({ metadata }) => metadata.name === 'v1.apps')!;
    assert.deepEqual(apps.spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 });
    assert.deepEqual(apps.metadata.labels, { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' });
    const core = items.find(({ metadata }) => metadata.name === 'v1.')!;
    assert.deepEqual(core.spec, { version: 'v1', groupPriorityMinimum: 18_000, versionPriority: 1 });
    assert.ok(!items.some(({ metadata }) => metadata.name === 'v1.apiregistration.k8s.io'));
    for (const { status } of items) assert.equal(status!.conditions![0]!.reason, 'Local');
  });

  test('a custom group version has one as long as it is defined', async () => {
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    await call('POST', definitions, cronTabs({ version: { name: 'v2beta1' } }));
    await eventually(async () => assert.match(await condition('v2beta1.stable.example.com'), /^True Local/));
    const { spec, metadata } = await get<APIService>(`${API_SERVICES}/v2beta1.stable.example.com`);
    assert.deepEqual(spec, { group: 'stable.example.com', version: 'v2beta1', groupPriorityMinimum: 1000, versionPriority: 100 });
    assert.equal(metadata.labels!['kube-aggregator.kubernetes.io/automanaged'], 'true');
    await call('DELETE', `${definitions}/crontabs.stable.example.com`);
    await eventually(async () => assert.equal((await call('GET', `${API_SERVICES}/v2beta1.stable.example.com`)).status, 404));
  });

  test('one that is deleted while its group version is served comes back', async () => {
    await eventually(async () => assert.match(await condition('v1.batch'), /^True/));
    const { metadata } = await get<APIService>(`${API_SERVICES}/v1.batch`);
    await call('DELETE', `${API_SERVICES}/v1.batch`);
    await eventually(async () => {
      const again = await get<APIService>(`${API_SERVICES}/v1.batch`);
      assert.ok(again.metadata.uid && again.metadata.uid !== metadata.uid);
    });
  });
});

const remoteService = (caBundle: string): APIService => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: 'v1alpha1.wardle.example.com' },
  spec: {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    service: { namespace: 'kube-system', name: 'sample-api', port: 7443 },
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    caBundle,
  },
});

describe('an API server behind a Service', () => {
  let sample: SampleApiServer;
  let closed = false;
  before(async () => {
    sample = await startSampleApiServer({
      service: 'sample-api',
      namespace: 'kube-system',
      frontProxyCa: api.pki.get('front-proxy-ca.crt')!,
    });
  });
  after(async () => {
    if (!closed) await sample?.close();
  });

  test('its condition says what is missing, and requests are told 503, until it answers', async () => {
    const name = 'v1alpha1.wardle.example.com';
    assert.equal((await call('POST', API_SERVICES, remoteService(sample.caBundle))).status, 201);
    await eventually(async () =>
      assert.equal(await condition(name), 'False ServiceNotFound: service/sample-api in "kube-system" is not present'),
    );
    const early = await https('GET', FLUNDERS);
    assert.equal(early.status, 503);
    assert.equal((JSON.parse(early.text) as Status).reason, 'ServiceUnavailable');
    const ports = [{ name: 'https', port: 443, targetPort: 7443 }];
    const service = { metadata: { name: 'sample-api' }, spec: { ports } };
    await call('POST', '/api/v1/namespaces/kube-system/services', service);
    const notListening = 'False ServicePortError: service/sample-api in "kube-system" is not listening on port 7443';
    await eventually(async () => assert.equal(await condition(name), notListening));
    const patch = { spec: { ports: [{ name: 'https', port: 7443 }] } };
    await api.loopback()({
      method: 'PATCH',
      path: '/api/v1/namespaces/kube-system/services/sample-api',
      body: patch,
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    const noSlices = 'False EndpointsNotFound: cannot find endpointslices for service/sample-api in "kube-system"';
    await eventually(async () => assert.equal(await condition(name), noSlices));
    const slice = {
      metadata: { name: 'sample-api-1', labels: { 'kubernetes.io/service-name': 'sample-api' } },
      addressType: 'IPv4',
      ports: [{ name: 'https', port: sample.port, protocol: 'TCP' }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    };
    const made = await call('POST', '/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices', slice);
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await eventually(async () => assert.equal(await condition(name), 'True Passed: all checks passed'));
  });

  test('every verb is passed on, as the user who asked', async () => {
    const flunder = {
      apiVersion: 'wardle.example.com/v1alpha1',
      kind: 'Flunder',
      metadata: { name: 'one', labels: { a: 'b' } },
      spec: { note: 'x' },
    };
    const made = await https('POST', FLUNDERS, { body: JSON.stringify(flunder) });
    assert.equal(made.status, 201, made.text);
    const inside = await sample.admin({ method: 'GET', path: `${FLUNDERS}/one` });
    assert.equal((inside.body as KubeObject).metadata.name, 'one');
    const table = await https('GET', FLUNDERS, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    assert.equal((JSON.parse(table.text) as { kind: string }).kind, 'Table');
    const bob = await call('GET', FLUNDERS, undefined, { name: 'bob', groups: [] });
    assert.equal(bob.status, 403, 'authorised before it is passed on');
    const listed = await call('GET', FLUNDERS);
    assert.equal((listed.body as { items: unknown[] }).items.length, 1);
    assert.equal((await https('DELETE', `${FLUNDERS}/one`)).status, 200);
    assert.equal((await https('GET', `${FLUNDERS}/one`)).status, 404);
  });

  test('the other server is told who asks, by the front proxy', async () => {
    const user: UserInfo = { name: 'amy', uid: '7', groups: ['painters', 'system:masters'], extra: { 'example.com/floor': ['2', '3'] } };
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    // What the sample serves beside its own group is reached through an APIService of its own.
    const service = remoteService(sample.caBundle);
    const spec = { ...service.spec!, group: 'authentication.k8s.io', version: 'v1beta9' };
    assert.equal((await call('POST', API_SERVICES, { ...service, metadata: { name: 'v1beta9.authentication.k8s.io' }, spec })).status, 201);
    await eventually(async () => assert.match(await condition('v1beta9.authentication.k8s.io'), /bad status from .*: 404$/));
    const { backendTarget, remoteUserHeaders } = await import('./backend.ts');
    const { exchange } = await import('../streaming/relay.ts');
    const { systemClock } = await import('../../lib/clock.ts');
    const { systemRng } = await import('../../lib/random.ts');
    const located = { at: [{ host: '127.0.0.1', port: sample.port }] } as const;
    const frontProxy = { cert: api.pki.get('front-proxy-client.crt')!, key: api.pki.get('front-proxy-client.key')! };
    const target = backendTarget(service, located, { frontProxy, clock: systemClock({ unref: true }), rng: systemRng() });
    const { Readable } = await import('node:stream');
    const answer = await exchange(target, {
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      headers: { host: target.authority, 'content-type': 'application/json', ...remoteUserHeaders(user) },
      body: Readable.from([Buffer.from(JSON.stringify(review))]),
      signal: new AbortController().signal,
      unreachable: (why) => assert.fail(why),
    });
    assert.ok(answer.kind === 'message');
    const text = (await answer.message.setEncoding('utf8').toArray()).join('');
    const { userInfo } = (JSON.parse(text) as { status: { userInfo: object } }).status;
    assert.deepEqual(userInfo, {
      username: 'amy',
      uid: '7',
      groups: ['painters', 'system:masters', 'system:authenticated'],
      extra: { 'example.com/floor': ['2', '3'] },
    });
    await call('DELETE', `${API_SERVICES}/v1beta9.authentication.k8s.io`);
  });

  test('watches stream, for components of this process as over TLS', async () => {
    const ended = new AbortController();
    const { events } = await api.loopback()({ method: 'GET', path: `${FLUNDERS}?watch=true`, signal: ended.signal });
    const seen: WatchEvent[] = [];
    const reading = (async () => {
      for await (const batch of events!) {
        seen.push(...batch);
        if (seen.length >= 2) return;
      }
    })();
    await call('POST', FLUNDERS, { metadata: { name: 'watched' }, spec: { note: 'y' } });
    await call('DELETE', `${FLUNDERS}/watched`);
    await reading;
    ended.abort();
    assert.deepEqual(
      seen.map(({ type }) => type),
      ['ADDED', 'DELETED'],
    );
  });

  test('OpenAPI has it, in both versions', async () => {
    const { paths } = await get<{ paths: Record<string, { serverRelativeURL: string }> }>('/openapi/v3');
    const entry = paths['apis/wardle.example.com/v1alpha1']!;
    const document = JSON.parse((await https('GET', entry.serverRelativeURL)).text) as { components: { schemas: object } };
    assert.ok('com.example.wardle.v1alpha1.Flunder' in document.components.schemas);
    for (let time = 0; time < 2; time++) {
      const whole = JSON.parse((await https('GET', '/openapi/v2')).text) as { paths: object; definitions: object };
      assert.ok('/apis/wardle.example.com/v1alpha1/namespaces/{namespace}/flunders' in whole.paths);
      assert.ok('com.example.wardle.v1alpha1.Flunder' in whole.definitions);
      assert.ok('io.k8s.api.core.v1.Pod' in whole.definitions);
    }
  });

  test('discovery shows it among the rest, as stale when it does not answer', async () => {
    const { groups } = await get<{ groups: { name: string; preferredVersion: { version: string } }[] }>('/apis');
    assert.equal(groups.find(({ name }) => name === 'wardle.example.com')?.preferredVersion.version, 'v1alpha1');
    const list = JSON.parse((await https('GET', '/apis/wardle.example.com/v1alpha1')).text) as { resources: { name: string }[] };
    assert.deepEqual(
      list.resources.map(({ name }) => name),
      ['flunders'],
    );
    const aggregated = async (): Promise<{ freshness: string; resources: { resource: string; verbs: string[] }[] }> => {
      const document = await get<{ items: { metadata: { name: string }; versions: never[] }[] }>('/apis', { accept: V2 });
      return document.items.find(({ metadata }) => metadata.name === 'wardle.example.com')!.versions[0]!;
    };
    const current = await aggregated();
    assert.equal(current.freshness, 'Current');
    assert.equal(current.resources[0]!.resource, 'flunders');
    await sample.close();
    closed = true;
    await api.loopback()({
      method: 'PATCH',
      path: `${API_SERVICES}/v1alpha1.wardle.example.com`,
      body: { metadata: { labels: { look: 'again' } } },
      headers: { 'content-type': 'application/merge-patch+json' },
    });
    await eventually(async () =>
      assert.match(await condition('v1alpha1.wardle.example.com'), /^False FailedDiscoveryCheck: failing or missing/),
    );
    const stale = await aggregated();
    assert.deepEqual({ freshness: stale.freshness, resource: stale.resources[0]!.resource }, { freshness: 'Stale', resource: 'flunders' });
  });

  test('with its APIService all of it goes', async () => {
    await call('DELETE', `${API_SERVICES}/v1alpha1.wardle.example.com`);
    assert.equal((await https('GET', FLUNDERS)).status, 404);
    const { groups } = await get<{ groups: { name: string }[] }>('/apis');
    assert.ok(!groups.some(({ name }) => name === 'wardle.example.com'));
  });
});
