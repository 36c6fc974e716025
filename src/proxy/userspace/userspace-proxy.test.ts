import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { connect, createServer, type Server } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { newSimNetwork } from '../../../test/fixtures/sim-network.ts';
import type { Service } from '../../api/types.gen.ts';
import { createClient } from '../../client/new-client.ts';
import type { Client } from '../../client/client.ts';
import { createRecorder } from '../../client/recorder.ts';
import { ENDPOINT_SLICES, EVENTS, SERVICES } from '../../client/resources.ts';

import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';

const HOST = '127.244.249.1';

describe('userspace proxy', () => {
  let api: TestApiServer;
  let client: Client;
  let proxy: Component;
  const network = newSimNetwork();
  const servers: Server[] = [];

  before(async () => {
    const { createUserspaceProxy } = await import('./userspace-proxy.ts');
    const [clock, rng, log] = [systemClock({ unref: true }), systemRng(), silentLogger];
    api = await startTestApiServer({ serviceCidr: '127.96.240.0/24' });
    client = createClient({ transport: api.loopback(), clock, log });
    const events = createRecorder({ client, clock, log, component: 'kube-proxy' });
    proxy = createUserspaceProxy({ client, clock, rng, log, events, network, nodeName: 'node' });
    await proxy.start(new AbortController().signal);
  });
  after(async () => {
    await proxy.stop();
    await client.close();
    await api.close();
    for (const server of servers) server.close();
  });

  /** A server that says its name to whoever connects, and then who that was. */
  async function backend(name: string): Promise<number> {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.write(`${name} ${socket.remoteAddress}\n`);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    return (server.address() as { port: number }).port;
  }

  async function service(name: string, spec: Service['spec'], ports: readonly number[], protocol = 'TCP'): Promise<Service> {
    const made = await client
      .resource(SERVICES, 'default')
      .create({ metadata: { name }, spec: { ...spec, ports: [{ port: 80, protocol, targetPort: 80 }] } });
    for (const port of ports) await slice(`${name}-${port}`, name, port, protocol);
    return made;
  }

  function slice(name: string, of: string, port: number, protocol = 'TCP') {
    return client.resource(ENDPOINT_SLICES, 'default').create({
      metadata: { name, labels: { 'kubernetes.io/service-name': of } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [HOST], conditions: { ready: true } }],
      ports: [{ name: '', port, protocol }],
    });
  }

  function ask(ip: string, port: number, localAddress?: string): Promise<string> {
    const { host, port: at } = network.resolve(ip, port);
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: at, localAddress });
      socket.once('data', (data) => {
        socket.destroy();
        resolve(data.toString('utf8').trim());
      });
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed')));
    });
  }

  it('a cluster IP and a node port lead to the endpoints in turn', async () => {
    const made = await service('turns', { type: 'NodePort' }, [await backend('a'), await backend('b')]);
    const ip = made.spec!.clusterIP!;
    await eventually(async () => assert.equal(new Set([await ask(ip, 80), await ask(ip, 80)]).size, 2));
    assert.match(await ask('127.0.0.1', made.spec!.ports![0]!.nodePort!), /^[ab] /);
  });

  it(
    'the endpoint sees the address of the client',
    { skip: process.platform === 'linux' ? false : 'only Linux has all of 127.0.0.0/8' },
    async () => {
      const made = await service('source', {}, [await backend('a')]);
      await eventually(async () => assert.equal(await ask(made.spec!.clusterIP!, 80, '127.244.249.77'), 'a 127.244.249.77'));
    },
  );

  it('session affinity keeps a client with its endpoint', async () => {
    const made = await service('sticky', { sessionAffinity: 'ClientIP' }, [await backend('a'), await backend('b')]);
    await eventually(() => ask(made.spec!.clusterIP!, 80));
    const answers = new Set<string>();
    for (let i = 0; i < 6; i++) answers.add(await ask(made.spec!.clusterIP!, 80));
    assert.equal(answers.size, 1);
  });

  it('without endpoints clients are refused; connections are cut when theirs goes', async () => {
    const port = await backend('a');
    const made = await service('cut', {}, []);
    const ip = made.spec!.clusterIP!;
    await assert.rejects(ask(ip, 80));
    await slice('cut-a', 'cut', port);
    await eventually(() => ask(ip, 80));
    const { host, port: at } = network.resolve(ip, 80);
    const held = connect({ host, port: at });
    await new Promise((resolve) => held.once('data', resolve));
    const closed = new Promise((resolve) => held.once('close', resolve));
    held.on('error', () => held.destroy());
    await client.resource(ENDPOINT_SLICES, 'default').delete('cut-a');
    await closed;
    await eventually(() => assert.rejects(ask(ip, 80)));
  });

  it('datagrams and their answers', async () => {
    const server = createSocket('udp4');
    server.on('message', (data, from) => server.send(`echo ${data.toString('utf8')}`, from.port, from.address));
    await new Promise<void>((resolve) => server.bind(0, HOST, resolve));
    const made = await service('udp', {}, [server.address().port], 'UDP');
    const socket = createSocket('udp4');
    const answered = new Promise<string>((resolve) => socket.once('message', (data) => resolve(data.toString('utf8'))));
    const beat = setInterval(() => {
      const { host, port } = network.resolve(made.spec!.clusterIP!, 80, 'UDP');
      socket.send('hi', port, host);
    }, 20);
    assert.equal(await answered, 'echo hi');
    clearInterval(beat);
    socket.close();
    server.close();
  });

  it('a node port that another program has is told on the Service, and taken once it is free', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(31_777, '127.0.0.1', resolve));
    const port = await backend('a');
    await client
      .resource(SERVICES, 'default')
      .create({ metadata: { name: 'taken' }, spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 31_777 }] } });
    await slice('taken-a', 'taken', port);
    await eventually(async () => {
      const { items } = await client.resource(EVENTS, 'default').list();
      assert.ok(
        items.some(
          ({ reason, message, involvedObject }) =>
            reason === 'FailedToListen' && involvedObject.name === 'taken' && /another program has this address/.test(message ?? ''),
        ),
      );
    });
    await new Promise<void>((resolve) => other.close(() => resolve()));
    await eventually(async () => assert.match(await ask('127.0.0.1', 31_777), /^a /), { within: 10_000 });
  });

  it('a deleted Service is open no more', async () => {
    const made = await service('gone', {}, [await backend('a')]);
    await eventually(() => ask(made.spec!.clusterIP!, 80));
    await client.resource(SERVICES, 'default').delete('gone');
    await eventually(() => assert.rejects(ask(made.spec!.clusterIP!, 80)));
  });
});
