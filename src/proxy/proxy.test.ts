import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import {
  CLIENT,
  makeNetworkWorld,
  namespacesUnavailable,
  type NetworkWorld,
  NODE_IP,
  type Place,
  POD_IPS,
} from '../../test/fixtures/network-namespaces.ts';
import type { EndpointSlice, Service, ServiceSpec } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { ENDPOINT_SLICES, SERVICES } from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { type NftRunner, packetFilter } from './packet-filter.ts';
import { createProxy, type Proxy } from './proxy.ts';

const skip = namespacesUnavailable() ?? false;
const SERVERS = [
  { ip: POD_IPS.pod1, nodeName: 'this' },
  { ip: POD_IPS.pod2, nodeName: 'other' },
];

for (const mode of ['nftables', 'iptables'] as const) {
  describe(`proxy with ${mode}, real packets`, { skip }, () => {
    const clock = systemClock({ unref: true });
    const log = createLogger({ level: 'error' });
    let world: NetworkWorld;
    let api: TestApiServer;
    let client: Client;
    let proxy: Proxy;
    let scripts = 0;

    before(async () => {
      [world, api] = await Promise.all([makeNetworkWorld(), startTestApiServer()]);
      client = createClient({ transport: api.loopback(), clock, log });
      await Promise.all([world.serve('pod1', 8080), world.serve('pod2', 8080)]);
      const filter = packetFilter({ prefix: world.prefix('node') });
      const runner: NftRunner = {
        ...filter,
        run: (...call) => ((scripts += call[0] === 'nft' || call[0] === 'iptables-restore' ? 1 : 0), filter.run(...call)),
      };
      proxy = createProxy({ client, clock, log, nodeName: 'this', nodeIps: [NODE_IP], podCidr: '10.244.0.0/16', mode, runner });
      await service('first', { clusterIP: '10.96.0.10' });
      await proxy.start(AbortSignal.timeout(20_000));
    });

    after(async () => {
      await proxy.stop();
      await proxy.cleanup();
      assert.doesNotMatch(await rules(), /kube/i);
      await client.close();
      await api.close();
      await world.close();
    });

    const rules = (): Promise<string> => world.exec('node', mode === 'nftables' ? ['nft', 'list', 'ruleset'] : ['iptables-save']);
    const service = async (name: string, spec: ServiceSpec, servers = SERVERS, protocol = 'TCP'): Promise<Service> => {
      const ports = spec.ports ?? [{ port: 80, protocol, targetPort: 8080 }];
      const made = await client
        .resource(SERVICES, 'default')
        .create({ metadata: { name, namespace: 'default' }, spec: { ...spec, ports } });
      await client.resource(ENDPOINT_SLICES, 'default').create(slice(name, servers, protocol));
      return made;
    };
    const slice = (name: string, servers: typeof SERVERS, protocol: string): EndpointSlice => ({
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080, protocol }],
      endpoints: servers.map(({ ip, nodeName }) => ({ addresses: [ip], nodeName, conditions: { ready: true } })),
    });
    const connect = (from: Place, address: string, port: number, kind = 'tcp', localPort = 0): Promise<string> =>
      world.exec(from, [process.execPath, '-e', CLIENT, kind, address, `${port}`, `${localPort}`]);
    const becomes = (expected: string | RegExp, ...call: Parameters<typeof connect>): Promise<void> =>
      eventually(async () => assert.match(await connect(...call), typeof expected === 'string' ? new RegExp(`^${expected}$`) : expected), {
        within: 20_000,
        every: 20,
      });

    test('a cluster IP leads to every endpoint, from a pod, the node and outside', async () => {
      const seen = new Set<string>();
      for (let i = 0; i < 40 && seen.size < 2; i++) seen.add((await connect('pod1', '10.96.0.10', 80)).split(' ')[0]!);
      assert.deepEqual([...seen].toSorted(), ['pod1', 'pod2']);
      assert.match(await connect('node', '10.96.0.10', 80), /^pod[12] /);
      // Its source is the node's: the pods could not answer it otherwise.
      assert.match(await connect('outside', '10.96.0.10', 80), /^pod[12] 10\.244\.0\.1$/);
    });

    test('a pod reaches itself through its own Service', async () => {
      await service('hairpin', { clusterIP: '10.96.0.11' }, [SERVERS[0]!]);
      await becomes('pod1 10.244.0.1', 'pod1', '10.96.0.11', 80);
      assert.equal(await connect('pod2', '10.96.0.11', 80), 'pod1 10.244.0.3');
    });

    test('a node port answers on every address of the node, loopback included', async () => {
      await service('nodeport', { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }, [SERVERS[1]!]);
      await becomes('pod2 10.244.0.1', 'outside', NODE_IP, 30080);
      for (const address of [NODE_IP, '127.0.0.1', '10.244.0.1'])
        assert.equal(await connect('node', address, 30080), 'pod2 10.244.0.1', address);
      assert.equal(await connect('pod1', NODE_IP, 30080), 'pod2 10.244.0.1');
    });

    test('externalTrafficPolicy Local keeps the source and uses local endpoints; clients in the cluster see all', async () => {
      await service('local', { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30081 }] });
      await becomes('pod1 192.0.2.9', 'outside', NODE_IP, 30081);
      const answers = await Promise.all(Array.from({ length: 12 }, () => connect('outside', NODE_IP, 30081)));
      assert.deepEqual([...new Set(answers)], ['pod1 192.0.2.9']);
      const seen = new Set<string>();
      for (let i = 0; i < 40 && seen.size < 2; i++) seen.add((await connect('pod1', NODE_IP, 30081)).split(' ')[0]!);
      assert.equal(seen.size, 2);
      await service('elsewhere', { type: 'NodePort', externalTrafficPolicy: 'Local', ports: [{ port: 80, nodePort: 30082 }] }, [
        SERVERS[1]!,
      ]);
      await becomes('TIMEOUT', 'outside', NODE_IP, 30082);
      assert.equal((await connect('pod1', NODE_IP, 30082)).split(' ')[0], 'pod2');
    });

    test('internalTrafficPolicy Local uses local endpoints only', async () => {
      await service('internal', { clusterIP: '10.96.0.12', internalTrafficPolicy: 'Local' });
      await becomes(/^pod1 /, 'pod2', '10.96.0.12', 80);
      const answers = await Promise.all(Array.from({ length: 12 }, () => connect('pod2', '10.96.0.12', 80)));
      assert.deepEqual([...new Set(answers)], ['pod1 10.244.0.3']);
    });

    test('external IPs and load balancer addresses, with source ranges', async () => {
      await service('external', { clusterIP: '10.96.0.13', externalIPs: ['203.0.113.5'] }, [SERVERS[0]!]);
      await becomes('pod1 10.244.0.1', 'outside', '203.0.113.5', 80);
      const made = await service('balanced', { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24', '10.244.0.0/16'] }, [
        SERVERS[0]!,
      ]);
      await client.resource(SERVICES, 'default').updateStatus({ ...made, status: { loadBalancer: { ingress: [{ ip: '203.0.113.6' }] } } });
      await becomes(/^pod1 /, 'pod2', '203.0.113.6', 80);
      assert.equal(await connect('outside', '203.0.113.6', 80), 'TIMEOUT');
    });

    test('a Service without endpoints refuses at once, also on ports that it has not', async () => {
      await service('empty', { type: 'NodePort', clusterIP: '10.96.0.14', ports: [{ port: 80, nodePort: 30083 }] }, []);
      await becomes('ECONNREFUSED', 'pod1', '10.96.0.14', 80);
      assert.equal(await connect('outside', '10.96.0.14', 80), 'ECONNREFUSED');
      assert.equal(await connect('node', '10.96.0.14', 80), 'ECONNREFUSED');
      assert.equal(await connect('outside', NODE_IP, 30083), 'ECONNREFUSED');
      assert.equal(await connect('pod1', '10.96.0.10', 81), 'ECONNREFUSED');
      await client
        .resource(ENDPOINT_SLICES, 'default')
        .patch('empty', 'merge', { endpoints: [{ addresses: [POD_IPS.pod2], conditions: { ready: true } }] });
      await becomes(/^pod2 /, 'pod1', '10.96.0.14', 80);
    });

    test('session affinity keeps a client with its endpoint', async () => {
      await service('sticky', { clusterIP: '10.96.0.15', sessionAffinity: 'ClientIP' });
      await becomes(/^pod[12] /, 'pod1', '10.96.0.15', 80);
      const first = await connect('pod1', '10.96.0.15', 80);
      for (let i = 0; i < 10; i++) assert.equal(await connect('pod1', '10.96.0.15', 80), first);
    });

    test('a UDP client follows when its endpoint goes away', async () => {
      await service('udp', { clusterIP: '10.96.0.16' }, [SERVERS[0]!], 'UDP');
      await becomes(/^pod1 /, 'node', '10.96.0.16', 80, 'udp', 40_001);
      await client
        .resource(ENDPOINT_SLICES, 'default')
        .patch('udp', 'merge', { endpoints: [{ addresses: [POD_IPS.pod2], conditions: { ready: true } }] });
      await becomes(/^pod2 /, 'node', '10.96.0.16', 80, 'udp', 40_001);
    });

    test("pods reach the outside under the node's address", async () => {
      await world.exec('outside', [
        'sh',
        '-c',
        `${process.execPath} -e "require('node:net').createServer((s) => s.end(s.remoteAddress)).listen(9000, () => setTimeout(() => process.exit(), 10000))" >/dev/null 2>&1 &`,
      ]);
      await becomes(/192\.0\.2\.1$/, 'pod1', '192.0.2.9', 9000);
    });

    test('a burst is one transaction, and a Service that goes takes its rules along', async () => {
      const before = scripts;
      await Promise.all(Array.from({ length: 30 }, (_, i) => service(`burst-${i}`, { clusterIP: `10.96.1.${i + 1}` })));
      await becomes(/^pod/, 'pod1', '10.96.1.30', 80);
      assert.ok(scripts - before <= 20, `${scripts - before} transactions for 60 objects`);
      await Promise.all(Array.from({ length: 30 }, (_, i) => client.resource(SERVICES, 'default').delete(`burst-${i}`)));
      await eventually(async () => assert.doesNotMatch(await rules(), /10\.96\.1\./), { within: 10_000 });
    });

    test('rules that somebody flushed come back whole with the next change', async () => {
      await world.exec('node', ['nft', 'flush', 'ruleset']);
      await service('after-flush', { clusterIP: '10.96.0.17' });
      await becomes(/^pod/, 'pod1', '10.96.0.17', 80);
      assert.match(await connect('pod1', '10.96.0.10', 80), /^pod/);
    });
  });
}
