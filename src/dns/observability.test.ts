import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createClient } from '../client/new-client.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { createDnsServer } from './server.ts';

const clock = systemClock({ unref: true });

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

test('health, ready and metrics answer where the Corefile says, the log has a line for each question, and a stop closes all of it', async () => {
  const [health, ready, metrics] = await freePorts(3);
  const lines: string[] = [];
  const log = createLogger({ level: 'info', write: (line) => lines.push(line) });
  const client = createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log });
  const corefile = `.:53 {\n health :${health}\n ready :${ready}\n prometheus 127.0.0.1:${metrics}\n log\n hosts {\n 192.0.2.1 one.example\n }\n}`;
  const server = createDnsServer({ corefile, client, clock, log, listen: { host: '127.0.0.1', port: 'none' } });
  const get = async (port: number | undefined, path: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
    return `${answer.status} ${await answer.text()}`;
  };
  await server.start(AbortSignal.timeout(5000));
  assert.equal(await get(health, '/health'), '200 OK');
  assert.equal(await get(ready, '/ready'), '200 OK');
  assert.equal(await get(ready, '/other'), '404 not found\n');
  await server.resolve('one.example', 'A');
  await server.resolve('two.example', 'AAAA');
  const text = await get(metrics, '/metrics');
  assert.match(text, /# TYPE coredns_dns_requests_total counter\ncoredns_dns_requests_total\{proto="local",type="A",zone="\."\} 1\n/);
  assert.match(text, /coredns_dns_responses_total\{rcode="NXDOMAIN",zone="\."\} 1\n/);
  assert.match(lines.join(''), /query client=local type=A name=one\.example\. protocol=local rcode=NOERROR answers=1/);
  await server.stop();
  await server.stop();
  await assert.rejects(get(health, '/health'));
  await client.close();
});

test('a port that is taken is an error at the start', async () => {
  const [port] = await freePorts(1);
  const taken = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  const log = createLogger({ level: 'silent' });
  const client = createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log });
  const server = createDnsServer({ corefile: '.:53 {\n hosts\n}', client, clock, log, listen: { host: '127.0.0.1', port: port! } });
  await assert.rejects(server.start(AbortSignal.timeout(5000)), { code: 'EADDRINUSE' });
  await server.stop();
  taken.close();
  await client.close();
});
