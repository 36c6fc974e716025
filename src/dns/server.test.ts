import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answer, decode, type DecodedPacket, encode, type RecordType } from 'dns-packet';
import { eventually } from '../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { ServiceSpec } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { CONFIG_MAPS, ENDPOINT_SLICES, SERVICES } from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { corefileFromConfigMap } from './corefile-source.ts';
import { defaultCorefile } from './default-corefile.ts';
import { createDnsServer, type DnsServer } from './server.ts';

const clock = systemClock({ unref: true });
const log = createLogger({ level: 'silent' });

describe('the DNS server with the default Corefile', () => {
  let api: TestApiServer;
  let client: Client;
  let server: DnsServer;
  let upstream: TestUpstream;
  let folder: string;

  const service = (name: string, spec: ServiceSpec) =>
    client.resource(SERVICES, 'default').create({ metadata: { name, namespace: 'default' }, spec });
  const endpoints = (name: string, addresses: readonly { ip: string; hostname?: string; ready?: boolean }[], suffix = '') =>
    client.resource(ENDPOINT_SLICES, 'default').create({
      metadata: { name: `${name}${suffix}`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: addresses.map(({ ip, hostname, ready = true }) => ({
        addresses: [ip],
        ...(hostname ? { hostname } : {}),
        conditions: { ready },
      })),
    });

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'rockpool-dns-'));
    [api, upstream] = await Promise.all([startTestApiServer(), startUpstream()]);
    client = createClient({ transport: api.loopback(), clock, log });
    await service('web', {
      clusterIP: '10.96.0.80',
      ports: [
        { name: 'http', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    });
    await service('db', { clusterIP: 'None', ports: [{ name: 'http', port: 80, targetPort: 8080 }] });
    await endpoints('db', [
      { ip: '10.244.0.11', hostname: 'db-0' },
      { ip: '10.244.0.12', hostname: 'db-1' },
      { ip: '10.244.0.13', ready: false },
    ]);
    await service('nobody', { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] });
    await service('many', { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] });
    await endpoints(
      'many',
      Array.from({ length: 40 }, (_, i) => ({ ip: `10.244.1.${i + 1}` })),
    );
    await service('elsewhere', { type: 'ExternalName', externalName: 'www.outside.example' });
    await service('inside', { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' });
    await endpoints('web', [{ ip: '10.244.0.21' }]);
    const corefile = defaultCorefile().replace('/etc/resolv.conf', `127.0.0.1:${upstream.port}`);
    server = createDnsServer({ corefile, client, clock, log, listen: { host: '127.0.0.1', port: 0 } });
    await server.start(AbortSignal.timeout(10_000));
  });

  after(async () => {
    await server.stop();
    await upstream.close();
    await client.close();
    await api.close();
    await rm(folder, { recursive: true });
  });

  const rows: [question: string, type: RecordType, expected: string][] = [
    ['web.default.svc.cluster.local', 'A', 'NOERROR aa | web.default.svc.cluster.local 30 A 10.96.0.80'],
    ['web.default.svc.cluster.local', 'AAAA', 'NOERROR aa | ; cluster.local SOA'],
    [
      'db.default.svc.cluster.local',
      'A',
      'NOERROR aa | db.default.svc.cluster.local 30 A 10.244.0.11 | db.default.svc.cluster.local 30 A 10.244.0.12',
    ],
    ['db-1.db.default.svc.cluster.local', 'A', 'NOERROR aa | db-1.db.default.svc.cluster.local 30 A 10.244.0.12'],
    ['db-2.db.default.svc.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['10-244-0-21.web.default.svc.cluster.local', 'A', 'NOERROR aa | 10-244-0-21.web.default.svc.cluster.local 30 A 10.244.0.21'],
    ['nobody.default.svc.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['missing.default.svc.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['web.nowhere.svc.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['default.svc.cluster.local', 'A', 'NOERROR aa | ; cluster.local SOA'],
    ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['svc.cluster.local', 'A', 'NOERROR aa | ; cluster.local SOA'],
    ['cluster.local', 'NS', 'NOERROR aa | cluster.local 30 NS ns.dns.cluster.local'],
    [
      '_http._tcp.web.default.svc.cluster.local',
      'SRV',
      'NOERROR aa | _http._tcp.web.default.svc.cluster.local 30 SRV 0 100 80 web.default.svc.cluster.local + web.default.svc.cluster.local 30 A 10.96.0.80',
    ],
    ['_http._udp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN aa | ; cluster.local SOA'],
    ['_tcp.web.default.svc.cluster.local', 'SRV', 'NOERROR aa | ; cluster.local SOA'],
    [
      '_http._tcp.db.default.svc.cluster.local',
      'SRV',
      'NOERROR aa | _http._tcp.db.default.svc.cluster.local 30 SRV 0 50 8080 db-0.db.default.svc.cluster.local | _http._tcp.db.default.svc.cluster.local 30 SRV 0 50 8080 db-1.db.default.svc.cluster.local' +
        ' + db-0.db.default.svc.cluster.local 30 A 10.244.0.11 + db-1.db.default.svc.cluster.local 30 A 10.244.0.12',
    ],
    ['10-244-0-5.default.pod.cluster.local', 'A', 'NOERROR aa | 10-244-0-5.default.pod.cluster.local 30 A 10.244.0.5'],
    ['10-244-0-5.nowhere.pod.cluster.local', 'A', 'NXDOMAIN aa | ; cluster.local SOA'],
    [
      'elsewhere.default.svc.cluster.local',
      'A',
      'NOERROR aa | elsewhere.default.svc.cluster.local 30 CNAME www.outside.example | www.outside.example 60 A 192.0.2.80',
    ],
    [
      'inside.default.svc.cluster.local',
      'A',
      'NOERROR aa | inside.default.svc.cluster.local 30 CNAME web.default.svc.cluster.local | web.default.svc.cluster.local 30 A 10.96.0.80',
    ],
    ['elsewhere.default.svc.cluster.local', 'CNAME', 'NOERROR aa | elsewhere.default.svc.cluster.local 30 CNAME www.outside.example'],
    ['80.0.96.10.in-addr.arpa', 'PTR', 'NOERROR aa | 80.0.96.10.in-addr.arpa 30 PTR web.default.svc.cluster.local'],
    ['11.0.244.10.in-addr.arpa', 'PTR', 'NOERROR aa | 11.0.244.10.in-addr.arpa 30 PTR db-0.db.default.svc.cluster.local'],
    ['21.0.244.10.in-addr.arpa', 'PTR', 'NOERROR aa | 21.0.244.10.in-addr.arpa 30 PTR 10-244-0-21.web.default.svc.cluster.local'],
    ['1.1.1.1.in-addr.arpa', 'PTR', 'NXDOMAIN | ; outside.example SOA'],
    ['dns-version.cluster.local', 'TXT', 'NOERROR aa | dns-version.cluster.local 30 TXT 1.1.0'],
    ['www.outside.example', 'A', 'NOERROR | www.outside.example 60 A 192.0.2.80'],
    ['missing.outside.example', 'A', 'NXDOMAIN | ; outside.example SOA'],
  ];
  for (const [name, type, expected] of rows) {
    test(`${type} ${name}`, async () => {
      assert.equal(
        printed(await askUdp(server, name, type)).replaceAll(' 29 ', ' 30 '),
        expected.replace('www.outside.example 60', 'www.outside.example 60'),
      );
    });
  }

  test('the case of the question comes back, and a closing dot means nothing', async () => {
    const packet = await askUdp(server, 'WeB.Default.SVC.cluster.LOCAL', 'A');
    assert.equal(packet.questions?.[0]?.name, 'WeB.Default.SVC.cluster.LOCAL');
    assert.equal((packet.answers![0] as { data: string }).data, '10.96.0.80');
    assert.equal((await server.resolve('WEB.default.svc.cluster.local.', 'A')).answers.length, 1);
  });

  test('what does not fit a datagram is cut, with EDNS it fits, and by TCP it always does', async () => {
    const plain = await askUdp(server, 'many.default.svc.cluster.local', 'A');
    assert.ok(plain.flag_tc);
    assert.ok(plain.answers!.length > 25, 'addresses under the name that was asked for take 16 bytes each');
    const roomy = await askUdp(server, 'many.default.svc.cluster.local', 'A', { edns: 4096 });
    assert.equal(roomy.flag_tc, false);
    assert.equal(roomy.answers!.length, 40);
    assert.ok(roomy.additionals!.some(({ type }) => type === 'OPT'));
    assert.equal((await askTcp(server, 'many.default.svc.cluster.local', 'A')).answers!.length, 40);
  });

  test("an upstream's large answer is fetched by TCP", async () => {
    const packet = await askTcp(server, 'large.outside.example', 'A');
    assert.equal(packet.answers!.length, 60);
  });

  test('addresses come in another order each time', async () => {
    const firsts = new Set<string>();
    for (let i = 0; i < 6; i++)
      firsts.add(((await server.resolve('db.default.svc.cluster.local', 'A')).answers[0] as { data: string }).data);
    assert.equal(firsts.size, 2);
  });

  test('upstreams are asked once for what was asked before; denials are remembered too', async () => {
    for (const name of ['cached.outside.example', 'missing2.outside.example']) {
      await Promise.all([1, 2, 3].map(async () => server.resolve(name, 'A')));
      const before = upstream.count(name);
      await server.resolve(name, 'A');
      assert.equal(upstream.count(name), before);
    }
  });

  test('a Service that is made after it was asked for is found at once', async () => {
    assert.match(printed(await askUdp(server, 'late.default.svc.cluster.local', 'A')), /^NXDOMAIN/);
    await service('late', { clusterIP: '10.96.0.99', ports: [{ port: 80 }] });
    await eventually(async () => assert.match(printed(await askUdp(server, 'late.default.svc.cluster.local', 'A')), /10\.96\.0\.99/), {
      within: 10_000,
      every: 10,
    });
  });

  test('what is no question gets an answer that says so, or none', async () => {
    const socket = createSocket('udp4');
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(2000) });
    socket.send(Buffer.from([0, 0]), server.ports[0], '127.0.0.1');
    socket.send(Buffer.from([1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 63, 1]), server.ports[0], '127.0.0.1');
    const [bytes] = (await reply) as [Buffer];
    assert.deepEqual([bytes.readUInt16BE(0), bytes.readUInt16BE(2) & 0xf], [0x0102, 1]);
    socket.close();
  });

  test('a question costs less than 0.4 ms of the processor', async (t) => {
    const socket = createSocket('udp4');
    socket.connect(server.ports[0]!, '127.0.0.1');
    await once(socket, 'connect');
    const question = encode({ type: 'query', id: 7, flags: 256, questions: [{ type: 'A', name: 'web.default.svc.cluster.local' }] });
    const total = 4000;
    let received = 0;
    const before = process.cpuUsage();
    await new Promise<void>((resolve) => {
      socket.on('message', () => {
        received++;
        if (received === total) resolve();
        else if (received + 32 <= total) socket.send(question);
      });
      for (let i = 0; i < 32; i++) socket.send(question);
    });
    const { user, system } = process.cpuUsage(before);
    socket.close();
    // Time of the processor, not of the clock: other work on the machine does not count. The client's own share does.
    const perQuestion = (user + system) / 1000 / total;
    t.diagnostic(`${perQuestion.toFixed(3)} ms a question`);
    assert.ok(perQuestion < 0.4, `${perQuestion} ms a question`);
  });
});

describe('the DNS server and its Corefile', () => {
  test('a change in the ConfigMap is taken over, one that is wrong is not', async () => {
    const api = await startTestApiServer();
    const client = createClient({ transport: api.loopback(), clock, log });
    const corefile = (address: string): string =>
      `.:53 {\n  errors\n  reload\n  hosts {\n    ${address} example.test\n    fallthrough\n  }\n}\n`;
    const configMaps = client.resource(CONFIG_MAPS, 'kube-system');
    const server = createDnsServer({
      corefile: corefileFromConfigMap(client, corefile('192.0.2.1')),
      client,
      clock,
      log,
      listen: { host: '127.0.0.1', port: 0 },
    });
    const becomes = (address: string): Promise<void> =>
      eventually(
        async () => assert.equal(((await server.resolve('example.test', 'A')).answers[0] as { data: string } | undefined)?.data, address),
        { within: 10_000, every: 10 },
      );
    try {
      await server.start(AbortSignal.timeout(5000));
      await becomes('192.0.2.1');
      await configMaps.create({ metadata: { name: 'coredns', namespace: 'kube-system' }, data: { Corefile: corefile('192.0.2.2') } });
      await becomes('192.0.2.2');
      await configMaps.patch('coredns', 'merge', { data: { Corefile: `.:53 {\n  nonsense\n}\n` } });
      await configMaps.patch('coredns', 'merge', { data: { Corefile: corefile('192.0.2.3') } });
      await becomes('192.0.2.3');
      assert.equal((await askUdp(server, 'example.test', 'A')).answers!.length, 1);
    } finally {
      await server.stop();
      await client.close();
      await api.close();
    }
  });

  test('upstreams come from resolv.conf; one that is silent is asked last afterwards', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'rockpool-dns-'));
    const upstream = await startUpstream();
    const silent = createSocket('udp4');
    silent.bind(0, '127.0.0.1');
    await once(silent, 'listening');
    let silentAsked = 0;
    silent.on('message', () => silentAsked++);
    const forwarding = `.:53 {\n  forward . 127.0.0.1:${silent.address().port} 127.0.0.1:${upstream.port} {\n    policy sequential\n    max_fails 1\n  }\n}`;
    const resolvConf = path.join(folder, 'resolv.conf');
    await writeFile(resolvConf, 'search lan\nnameserver 127.0.0.1\noptions ndots:0\n');
    const client = createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log });
    const server = createDnsServer({ corefile: forwarding, client, clock, log, listen: { host: '127.0.0.1', port: 'none' }, resolvConf });
    await server.start(AbortSignal.timeout(5000));
    assert.equal((await server.resolve('www.outside.example', 'A')).answers.length, 1);
    assert.equal((await server.resolve('www.outside.example', 'A')).answers.length, 1);
    assert.equal(silentAsked, 1);
    await server.stop();
    silent.close();
    await upstream.close();
    await client.close();
    await rm(folder, { recursive: true });
  });

  test('a loop is found and answered for', async () => {
    const client = createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log });
    const probe = createSocket('udp4');
    probe.bind(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    await once(probe, 'close');
    const lines: string[] = [];
    const listening = createLogger({ level: 'error', write: (line) => lines.push(line) });
    const server = createDnsServer({
      corefile: `.:53 {\n loop\n forward . 127.0.0.1:${port}\n}`,
      client,
      clock,
      log: listening,
      listen: { host: '127.0.0.1', port },
    });
    await server.start(AbortSignal.timeout(5000));
    await server.resolve('anything.example', 'A');
    await eventually(() => assert.match(lines.join(''), /Loop .* detected for zone "\."/), { within: 15_000, every: 20 });
    await server.stop();
    await client.close();
  });
});

const ask = (name: string, type: RecordType, edns?: number): Buffer =>
  encode({
    type: 'query',
    id: 4711,
    flags: 256,
    questions: [{ type, name }],
    ...(edns
      ? {
          additionals: [
            { type: 'OPT', name: '.', udpPayloadSize: edns, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
          ],
        }
      : {}),
  });

async function askUdp(server: DnsServer, name: string, type: RecordType, { edns }: { edns?: number } = {}): Promise<DecodedPacket> {
  const socket = createSocket('udp4');
  const reply = once(socket, 'message', { signal: AbortSignal.timeout(5000) });
  socket.send(ask(name, type, edns), server.ports[0], '127.0.0.1');
  const [bytes] = (await reply) as [Buffer];
  socket.close();
  return decode(bytes);
}

async function askTcp(server: DnsServer, name: string, type: RecordType): Promise<DecodedPacket> {
  const socket = connect(server.ports[0]!, '127.0.0.1');
  const question = ask(name, type);
  socket.write(Buffer.from([question.length >> 8, question.length & 255]));
  socket.write(question);
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) break;
  }
  socket.destroy();
  return decode(bytes.subarray(2));
}

/** `RCODE aa | answers ; authorities + additionals`, sorted: their order is not promised. */
function printed(packet: DecodedPacket): string {
  const data = (record: Answer): string => {
    if (record.type === 'SRV') return `${record.data.priority} ${record.data.weight} ${record.data.port} ${record.data.target}`;
    return 'data' in record && typeof record.data !== 'object'
      ? record.data
      : 'data' in record && Array.isArray(record.data)
        ? record.data.join('')
        : '';
  };
  const line = (record: Answer): string => `${record.name} ${'ttl' in record ? record.ttl : ''} ${record.type} ${data(record)}`;
  const rcode = (packet as DecodedPacket & { rcode: string }).rcode;
  const answers = packet
    .answers!.map(line)
    .toSorted((a, b) => Number(b.includes('CNAME')) - Number(a.includes('CNAME')) || (a < b ? -1 : 1));
  const authorities = packet.authorities!.map((record) => `; ${record.name} ${record.type}`);
  const additionals = packet
    .additionals!.filter(({ type }) => type !== 'OPT')
    .map((record) => ` + ${line(record)}`)
    .toSorted();
  return `${rcode}${packet.flag_aa ? ' aa' : ''} | ${[...answers, ...authorities].join(' | ')}${additionals.join('')}`;
}

interface TestUpstream {
  port: number;
  count(name: string): number;
  close(): Promise<void>;
}

/** A name server for outside.example on a port of its own. */
async function startUpstream(): Promise<TestUpstream> {
  const counts = new Map<string, number>();
  const answer = (bytes: Buffer, overTcp: boolean): Buffer => {
    const { id, questions } = decode(bytes);
    const { name, type } = questions![0]!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const soa: Answer = {
      type: 'SOA',
      name: 'outside.example',
      ttl: 60,
      data: { mname: 'ns.outside.example', rname: 'root.outside.example', serial: 1, minimum: 60 },
    };
    const known = type === 'A' && /^(www|cached|large)\./.test(name);
    const ips = name.startsWith('large.') ? Array.from({ length: 60 }, (_, i) => `192.0.2.${i + 1}`) : ['192.0.2.80'];
    const cut = name.startsWith('large.') && !overTcp;
    const answers = known && !cut ? ips.map((data): Answer => ({ type: 'A', name, ttl: 60, data })) : [];
    return encode({
      type: 'response',
      id: id!,
      flags: (cut ? 512 : 0) | (known ? 0 : 3),
      questions: questions!,
      answers,
      authorities: known ? [] : [soa],
    });
  };
  const udp: UdpSocket = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  udp.on('message', (bytes, { port }) => udp.send(answer(bytes, false), port, '127.0.0.1'));
  const { port } = udp.address();
  const tcp: Server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      const reply = answer(bytes.subarray(2), true);
      socket.write(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
    });
  });
  tcp.listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  return {
    port,
    count: (name) => counts.get(name) ?? 0,
    close: async () => {
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}
