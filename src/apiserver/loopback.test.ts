import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeObject } from '../api/meta.ts';
import type { ApiResponse } from '../api/transport.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

const PATH = '/api/v1/namespaces/default/configmaps';
const send = (method: 'POST' | 'PUT', path: string, body: unknown): Promise<ApiResponse> => api.loopback()({ method, path, body });

/** A component must not be able to tell the loopback from the wire. */
describe('loopback', () => {
  test('carries what JSON would carry: nothing undefined', async () => {
    const body = { metadata: { name: 'a', labels: { x: undefined, y: '1' }, annotations: undefined }, data: undefined, unknown: undefined };
    const response = await send('POST', PATH, body);
    assert.equal(response.status, 201, JSON.stringify(response.body));
    const object = response.body as KubeObject;
    assert.deepEqual(object.metadata.labels, { y: '1' });
    assert.deepStrictEqual(object, JSON.parse(JSON.stringify(object)));
  });

  test('gives every kind as its JSON has it, after all ways of writing it', async () => {
    const path = '/api/v1/namespaces/default/services';
    const created = await send('POST', path, { metadata: { name: 's' }, spec: { ports: [{ port: 80 }] } });
    assert.equal(created.status, 201);
    const live = created.body as KubeObject;
    await send('PUT', `${path}/s`, { ...live, metadata: { ...live.metadata, labels: { a: 'b' } } });
    await send('PUT', `${path}/s/status`, { ...live, metadata: { name: 's' }, status: { loadBalancer: {} } });
    let compared = 0;
    for (const { cache } of api.server.resources.all()) {
      for (const entry of cache.list()) {
        assert.deepStrictEqual(entry.object, JSON.parse(entry.json().toString()), entry.key);
        compared++;
      }
    }
    assert.ok(compared > 100);
  });

  test('an answer and the cache share the object, and a body never becomes part of it', async () => {
    const body = { metadata: { name: 'mine' }, data: { a: '1' } };
    await send('POST', PATH, body);
    body.data.a = 'changed afterwards';
    const { body: read } = await api.loopback()({ method: 'GET', path: `${PATH}/mine` });
    assert.equal((read as { data: { a: string } }).data.a, '1');
  });

  test('an aborted signal rejects', async () => {
    await assert.rejects(api.loopback()({ method: 'GET', path: PATH, signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});
