import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { tcpTarget } from './target.ts';

const LOG = '/api/v1/namespaces/default/pods/web/log?follow=true';

describe('a followed log over TLS', () => {
  // A log that never ends by itself.
  const kubelet = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.write('line 1\n');
    request.socket.once('close', () => kubelet.emit('left'));
  });
  let server: TestApiServer;
  let tls: { ca: string; cert: string; key: string };

  before(async () => {
    kubelet.listen(0, '127.0.0.1');
    await once(kubelet, 'listening');
    const target = tcpTarget('127.0.0.1', (kubelet.address() as AddressInfo).port);
    server = await startTestApiServer({ kubelet: { tls: {}, dial: () => target } });
    tls = { ca: server.pki.get('ca.crt')!, cert: server.pki.get('components/admin.crt')!, key: server.pki.get('components/admin.key')! };
    const create = (path: string, body: object) => server.loopback()({ method: 'POST', path: `/api/v1/namespaces/default/${path}`, body });
    await create('serviceaccounts', { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } });
    const made = await create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
    });
    assert.equal(made.status, 201);
  });
  after(async () => {
    await server.close();
    kubelet.closeAllConnections();
    kubelet.close();
  });

  test('HTTP/2: a reset stream reaches the kubelet', async () => {
    const left = once(kubelet, 'left');
    const session = http2.connect(server.url, tls);
    const stream = session.request({ ':path': LOG });
    assert.equal(String((await once(stream, 'data'))[0]), 'line 1\n');
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await left;
    session.close();
  });

  test('HTTP/1.1: a closed connection does too', async () => {
    const left = once(kubelet, 'left');
    const request = https.get(server.url + LOG, tls);
    const [answer] = (await once(request, 'response')) as [NodeJS.ReadableStream];
    assert.equal(String((await once(answer, 'data'))[0]), 'line 1\n');
    request.destroy();
    await left;
  });
});
