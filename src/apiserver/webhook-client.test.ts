import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { webhookCertificate } from '../../test/fixtures/webhook-server.ts';
import { systemClock } from '../lib/clock.ts';
import { WebhookClient, type WebhookClientConfig } from './webhook-client.ts';

const clock = systemClock({ unref: true });
let server: Server;
let config: WebhookClientConfig;
let answer = { status: 200, text: '{}' };
let connections = 0;

before(async () => {
  const { cert, key, caBundle } = await webhookCertificate(['hook.ns.svc']);
  server = createServer({ cert, key }, (request, response) => {
    request.resume().once('end', () => response.writeHead(answer.status).end(answer.text));
  });
  server.on('secureConnection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  config = { url: `https://127.0.0.1:${port()}/x`, caBundle };
});
after(() => {
  server.close();
  server.closeAllConnections();
});

const port = (): number => (server.address() as AddressInfo).port;
const clientAt = (locate = () => ({ host: '127.0.0.1', port: port() })): WebhookClient => new WebhookClient({ clock, locate });
const post = (client: WebhookClient, to = config): Promise<unknown> => client.post(to, { body: { a: 'b' }, timeoutSeconds: 5 });

test('a connection is used again, and a new one is made where the server has closed it', async () => {
  const client = clientAt();
  connections = 0;
  await post(client);
  await post(client);
  assert.equal(connections, 1);
  server.closeIdleConnections();
  assert.deepEqual(await post(client), {});
  assert.equal(connections, 2);
  client.close();
});

test('a Service is looked up, and expected under its name', async () => {
  const client = clientAt();
  const { caBundle } = config;
  assert.deepEqual(await post(client, { service: { namespace: 'ns', name: 'hook' }, caBundle: caBundle! }), {});
  await assert.rejects(
    post(client, { service: { namespace: 'ns', name: 'other', path: 'p', port: 8443 }, caBundle: caBundle! }),
    (error: Error) => {
      assert.match(error.message, /^Post "https:\/\/other\.ns\.svc:8443\/p\?timeout=5s": tls: failed to verify certificate: x509: /);
      return true;
    },
  );
  client.close();
});

test('who does not wait any longer is told so', async () => {
  const client = clientAt();
  const signal = AbortSignal.abort();
  await assert.rejects(client.post(config, { body: {}, timeoutSeconds: 5, signal }), /^Error: Post ".*": context canceled$/);
  client.close();
});

describe('what is no answer', () => {
  const cases: { status: number; text?: string; message: string }[] = [
    { status: 404, message: 'the server could not find the requested resource' },
    { status: 500, text: 'oh\n', message: 'an error on the server ("oh") has prevented the request from succeeding' },
    { status: 503, message: 'the server is currently unable to handle the request' },
    { status: 302, message: 'the server responded with the status code 302 but did not return more information' },
    { status: 403, text: 'go away', message: 'go away' },
  ];
  for (const { status, text = '', message } of cases) {
    test(String(status), async () => {
      const client = clientAt();
      answer = { status, text };
      await assert.rejects(post(client), { message });
      client.close();
    });
  }

  test('text that is no JSON', async () => {
    const client = clientAt();
    answer = { status: 200, text: '<html>' };
    await assert.rejects(post(client), /^Error: couldn't get version\/kind; json parse error: /);
    client.close();
  });
});
