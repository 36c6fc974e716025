import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import { startTestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { NotFoundPage } from '../errors.ts';
import type { HandlerResponse } from '../contract.ts';
import { Request } from '../context.ts';
import { ManualClock } from '../../lib/clock.ts';
import { storageVersionHash } from './documents.ts';
import { builtinPriority, CUSTOM_PRIORITY } from '../aggregation/priorities.ts';
import { discoveryHandler } from './handler.ts';
import { compareVersions } from './versions.ts';

const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const V2BETA1 = V2.replace('v=v2', 'v=v2beta1');

const ALONE = { generation: 0, foreign: () => [], priority: (version: string) => builtinPriority(version) ?? CUSTOM_PRIORITY };

async function ask(path: string, headers: Record<string, string> = {}): Promise<Extract<HandlerResponse, { bytes: Buffer }>> {
  const handler = discoveryHandler({ resources: new MemoryObjects().resources, served: ALONE, serverAddress: '127.0.0.1:6443' });
  const request = new Request({ method: 'GET', url: path, headers, remoteAddress: '' }, new ManualClock());
  assert.ok(handler.match(request));
  const response = await handler.handle(request, { bytes: async () => Buffer.alloc(0), json: async () => undefined });
  assert.ok('bytes' in response);
  return response;
}

const parsed = async (path: string, accept?: string): Promise<Record<string, never>> =>
  JSON.parse((await ask(path, accept ? { accept } : {})).bytes.toString()) as Record<string, never>;

describe('discovery documents', () => {
  test('legacy: versions, groups, resources', async () => {
    assert.deepEqual(await parsed('/api'), {
      kind: 'APIVersions',
      versions: ['v1'],
      serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '127.0.0.1:6443' }],
    });
    const groups = (await parsed('/apis'))['groups'] as unknown as { name: string; preferredVersion: object; versions: object[] }[];
    assert.deepEqual(
      groups.slice(0, 3).map(({ name }) => name),
      ['apiregistration.k8s.io', 'apps', 'events.k8s.io'],
    );
    const autoscaling = groups.find(({ name }) => name === 'autoscaling')!;
    assert.deepEqual(
      autoscaling.versions.map((version) => (version as { version: string }).version),
      ['v2', 'v1'],
    );
    const core = (await parsed('/api/v1'))['resources'] as unknown as { name: string }[];
    assert.deepEqual(
      core.find(({ name }) => name === 'pods'),
      {
        name: 'pods',
        singularName: 'pod',
        namespaced: true,
        kind: 'Pod',
        verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
        shortNames: ['po'],
        categories: ['all'],
        storageVersionHash: 'xPOwRZ+Yhw8=',
      },
    );
    assert.deepEqual(
      core.find(({ name }) => name === 'serviceaccounts/token'),
      {
        name: 'serviceaccounts/token',
        singularName: '',
        namespaced: true,
        group: 'authentication.k8s.io',
        version: 'v1',
        kind: 'TokenRequest',
        verbs: ['create'],
      },
    );
    assert.equal((await parsed('/apis/apps/v1'))['groupVersion'], 'apps/v1');
    assert.equal((await parsed('/apis/apps'))['kind'], 'APIGroup');
  });

  for (const [name, accept, apiVersion] of [
    ['v2', V2, 'apidiscovery.k8s.io/v2'],
    ['v2beta1', V2BETA1, 'apidiscovery.k8s.io/v2beta1'],
    ['the first of several', `${V2},${V2BETA1},application/json`, 'apidiscovery.k8s.io/v2'],
  ] as const) {
    test(`aggregated: ${name}`, async () => {
      const document = await parsed('/apis', accept);
      assert.deepEqual([document['kind'], document['apiVersion']], ['APIGroupDiscoveryList', apiVersion]);
      const apps = (
        document['items'] as unknown as {
          metadata: { name: string };
          versions: { resources: { resource: string; subresources?: object[] }[] }[];
        }[]
      ).find(({ metadata }) => metadata.name === 'apps')!;
      const deployments = apps.versions[0]!.resources.find(({ resource }) => resource === 'deployments')!;
      assert.deepEqual(deployments.subresources, [
        { subresource: 'scale', responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs: ['get', 'patch', 'update'] },
        { subresource: 'status', responseKind: { group: 'apps', version: 'v1', kind: 'Deployment' }, verbs: ['get', 'patch', 'update'] },
      ]);
    });
  }

  test('plain JSON asked for first wins over aggregated', async () =>
    assert.equal((await parsed('/apis', `application/json,${V2}`))['kind'], 'APIGroupList'));

  test('an unchanged document is not sent again', async () => {
    const { headers } = await ask('/apis', { accept: V2 });
    const again = await ask('/apis', { accept: V2, 'if-none-match': headers!['etag']! });
    assert.deepEqual([again.status, again.bytes.length], [304, 0]);
  });

  for (const path of ['/api/v2', '/apis/nope', '/apis/apps/v9'])
    test(`nothing at ${path}`, async () => assert.rejects(ask(path), NotFoundPage));

  test('hashes and orders are upstream’s', () => {
    assert.equal(storageVersionHash({ storageVersion: 'v1', kind: 'Pod' }), 'xPOwRZ+Yhw8=');
    assert.deepEqual(['v1alpha1', 'v1', 'v2beta1', 'v10', 'foo', 'v1beta2', 'v2'].toSorted(compareVersions), [
      'v10',
      'v2',
      'v1',
      'v2beta1',
      'v1beta2',
      'v1alpha1',
      'foo',
    ]);
  });
});

describe('what a server says of itself', () => {
  let server: TestApiServer;
  before(async () => {
    server = await startTestApiServer();
  });
  after(() => server.close());

  const texts: [string, RegExp][] = [
    ['/healthz', /^ok$/],
    ['/livez/ping', /^ok$/],
    ['/readyz?verbose', /^\[\+\]ping ok\n(?:\[\+\].* ok\n)+readyz check passed\n$/],
    ['/readyz?verbose&exclude=etcd', /\[\+\]etcd excluded: ok\n/],
    ['/metrics', /^apiserver_current_inflight_requests\{request_kind="readOnly"\} \d+$/m],
  ];
  for (const [path, expected] of texts) {
    test(path, async () => {
      const { status, text } = await server.loopback()({ method: 'GET', path });
      assert.equal(status, 200);
      assert.match(text ?? '', expected);
    });
  }

  test('/version', async () => {
    const { body } = await server.loopback()({ method: 'GET', path: '/version' });
    const { major, minor, gitVersion } = body as { major: string; minor: string; gitVersion: string };
    assert.deepEqual([major, minor], ['1', '36']);
    assert.match(gitVersion, /^v1\.36\.\d+/);
  });

  test('the index lists what is served', async () => {
    const { paths } = (await server.loopback()({ method: 'GET', path: '/' })).body as { paths: string[] };
    for (const path of ['/api/v1', '/apis/apps/v1', '/healthz', '/openapi/v3']) assert.ok(paths.includes(path), path);
  });

  for (const [accept, expected] of [
    ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'],
    ['application/com.github.proto-openapi.spec.v2.v1.0+protobuf', 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'],
    ['*/*', 'application/json'],
  ] as const) {
    test(`OpenAPI version 2 as ${accept}`, async () => {
      const { status, headers } = await server.loopback()({ method: 'GET', path: '/openapi/v2', headers: { accept } });
      assert.deepEqual([status, headers['content-type']], [200, expected]);
    });
  }

  test('OpenAPI version 2 in no other form', async () => {
    const { status } = await server.loopback()({ method: 'GET', path: '/openapi/v2', headers: { accept: 'application/xml' } });
    assert.equal(status, 406);
  });

  test('OpenAPI documents under their hash are for ever, under an old one they moved', async () => {
    const transport = server.loopback();
    const { paths } = (await transport({ method: 'GET', path: '/openapi/v3' })).body as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    const url = paths['apis/apps/v1']!.serverRelativeURL;
    const found = await transport({ method: 'GET', path: url });
    assert.equal(found.headers['cache-control'], 'public, immutable');
    assert.ok('io.k8s.api.apps.v1.Deployment' in (found.body as { components: { schemas: object } }).components.schemas);
    const old = await transport({ method: 'GET', path: '/openapi/v3/apis/apps/v1?hash=OLD' });
    assert.deepEqual([old.status, old.headers['location']], [301, url]);
  });
});
