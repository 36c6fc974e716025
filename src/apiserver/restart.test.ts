import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openTestStorage, startTestApiServer, type TestApiServer, type TestApiServerOptions } from '../../test/fixtures/apiserver.ts';
import type { KubeList, KubeObject } from '../api/meta.ts';
import type { ApiRequest } from '../api/transport.ts';
import type { Service } from '../api/types.gen.ts';
import type { ValueTransformer } from './watch/watch-cache.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rockpool-restart-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function withServer<T>(store: string, use: (api: TestApiServer) => Promise<T>, options: TestApiServerOptions = {}): Promise<T> {
  const api = await startTestApiServer({ ...options, open: () => openTestStorage(path.join(folder, store)) });
  try {
    return await use(api);
  } finally {
    await api.close();
  }
}

async function ok<T = KubeObject>(api: TestApiServer, method: ApiRequest['method'], url: string, body?: unknown): Promise<T> {
  const response = await api.loopback()({ method, path: url, ...(body === undefined ? {} : { body }) });
  assert.ok(response.status < 300, JSON.stringify(response.body));
  return response.body as T;
}

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const SERVICES = '/api/v1/namespaces/default/services';

test('what was stored is there after a restart, and what Services hold stays theirs', async () => {
  const { made, service, roles } = await withServer('plain', async (api) => ({
    made: await ok(api, 'POST', CONFIG_MAPS, { metadata: { name: 'kept' }, data: { a: 'ä€𝄞' } }),
    service: await ok<Service>(api, 'POST', SERVICES, { metadata: { name: 'held' }, spec: { type: 'NodePort', ports: [{ port: 80 }] } }),
    roles: await ok<KubeList>(api, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles'),
  }));
  await withServer('plain', async (api) => {
    assert.deepEqual(await ok(api, 'GET', `${CONFIG_MAPS}/kept`), made);
    const again = await ok<KubeList>(api, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles');
    assert.deepEqual(again.items, roles.items, 'a second start writes no bootstrap object anew');
    const spec = {
      clusterIP: service.spec!.clusterIP,
      type: 'NodePort',
      ports: [{ port: 80, nodePort: service.spec!.ports![0]!.nodePort }],
    };
    const refused = await api.loopback()({ method: 'POST', path: SERVICES, body: { metadata: { name: 'thief' }, spec } });
    assert.equal(refused.status, 422);
  });
});

test('a transformer sees every value on its way in and out', async () => {
  const mask = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0x55);
  const transformer: ValueTransformer = { toStorage: (_key, plain) => mask(plain), fromStorage: (_key, stored) => mask(stored) };
  const secret = { metadata: { name: 's' }, data: { token: 'aHVudGVyMg==' } };
  await withServer(
    'masked',
    async (api) => {
      await ok(api, 'POST', '/api/v1/namespaces/default/secrets', secret);
      const stored = await api.storage.get('/registry/secrets/default/s');
      assert.ok(!Buffer.from(stored!.value).includes('aHVudGVyMg=='));
    },
    { transformer },
  );
  await withServer(
    'masked',
    async (api) => {
      const read = await ok<KubeObject & { data: object }>(api, 'GET', '/api/v1/namespaces/default/secrets/s');
      assert.deepEqual(read.data, secret.data);
    },
    { transformer },
  );
});
