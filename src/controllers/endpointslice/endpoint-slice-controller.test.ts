import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { notReady, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { Endpoints, EndpointSlice, Node, Pod, Service } from '../../api/types.gen.ts';
import { ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES } from '../../client/resources.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function pod(name: string, port = 80): Pod {
  const container = { name: 'web', image: 'nginx', ports: [{ name: 'http', containerPort: port }] };
  return { metadata: { name, labels: { app: 'web' } }, spec: { containers: [container] } };
}

const service: Service = {
  metadata: { name: 'web', labels: { team: 'a' } },
  spec: { selector: { app: 'web' }, ports: [{ port: 8080, targetPort: 'http' }] },
};

async function slicesOf({ admin }: WorkloadWorld, name = 'web'): Promise<EndpointSlice[]> {
  return (await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: `kubernetes.io/service-name=${name}` })).items;
}

const summary = (slices: readonly EndpointSlice[]): string[] =>
  slices
    .flatMap(({ endpoints = [], ports = [] }) =>
      endpoints.map(
        ({ targetRef, conditions: { ready, serving, terminating } = {} }) =>
          `${targetRef?.name}:${ports.map(({ port }) => port).join()} ${[ready, serving, terminating].map(Number).join('')}`,
      ),
    )
    .toSorted();

const legacy = ({ subsets = [] }: Endpoints): unknown =>
  subsets.map(({ addresses = [], notReadyAddresses = [], ports = [] }) => ({
    ports: ports.map(({ port }) => port),
    ready: addresses.map(({ targetRef }) => targetRef!.name).toSorted(),
    notReady: notReadyAddresses.map(({ targetRef }) => targetRef!.name).toSorted(),
  }));

test('slices and Endpoints follow the pods of a Service', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const endpoints = admin.resource(ENDPOINTS, NS);
    await admin.resource(SERVICES, NS).create(service);
    const [empty] = await eventually(async () => {
      const slices = await slicesOf(world);
      assert.equal(slices.length, 1);
      return slices;
    }, soon);
    assert.match(empty!.metadata.name!, /^web-[a-z0-9]{5}$/);
    assert.deepEqual(empty!.metadata.labels, {
      team: 'a',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    });
    assert.deepEqual([empty!.addressType, empty!.endpoints ?? [], empty!.metadata.ownerReferences![0]!.kind], ['IPv4', [], 'Service']);

    world.behave = (pod) => (pod.metadata.name === 'c' ? notReady(pod) : running(pod));
    for (const each of [pod('a'), pod('b'), pod('c'), pod('d', 81)]) await admin.resource(PODS, NS).create(each);
    await eventually(async () => assert.deepEqual(summary(await slicesOf(world)), ['a:80 110', 'b:80 110', 'c:80 000', 'd:81 110']), soon);
    assert.equal((await slicesOf(world)).length, 2);
    assert.ok(
      (await slicesOf(world)).some(({ metadata }) => metadata.uid === empty!.metadata.uid),
      'the empty slice was put to use',
    );
    const [first] = (await slicesOf(world)).flatMap(({ endpoints }) => endpoints ?? []).filter(({ targetRef }) => targetRef!.name === 'a');
    const made = await admin.resource(PODS, NS).get('a');
    assert.deepEqual(first, {
      addresses: [made.status!.podIP],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: made.spec!.nodeName,
      targetRef: { kind: 'Pod', namespace: NS, name: 'a', uid: made.metadata.uid },
    });
    await eventually(async () => {
      assert.deepEqual(legacy(await endpoints.get('web')), [
        { ports: [80], ready: ['a', 'b'], notReady: ['c'] },
        { ports: [81], ready: ['d'], notReady: [] },
      ]);
    }, soon);

    await admin.resource(PODS, NS).delete('d');
    await admin
      .resource(SERVICES, NS)
      .patch('web', 'merge', { spec: { publishNotReadyAddresses: true }, metadata: { labels: { team: 'b' } } });
    await eventually(async () => {
      const slices = await slicesOf(world);
      assert.deepEqual(summary(slices), ['a:80 110', 'b:80 110', 'c:80 100']);
      assert.deepEqual(
        slices.map(({ metadata }) => metadata.labels!['team']),
        ['b'],
      );
      assert.deepEqual(legacy(await endpoints.get('web')), [{ ports: [80], ready: ['a', 'b', 'c'], notReady: [] }]);
    }, soon);

    await admin.resource(SERVICES, NS).delete('web');
    await eventually(async () => {
      assert.deepEqual(
        (await endpoints.list()).items.map(({ metadata }) => metadata.name),
        ['kubernetes'],
      );
      assert.deepEqual(await slicesOf(world), []);
    }, soon);
    assert.deepEqual(world.logged, []);
  }));

test('250 pods need three slices, and one that changes rewrites one', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    await Promise.all(Array.from({ length: 250 }, (_, i) => admin.resource(PODS, NS).create(pod(`p${i}`))));
    await eventually(async () => assert.ok((await admin.resource(PODS, NS).list()).items.every(({ status }) => status?.podIP)), soon);
    await admin.resource(SERVICES, NS).create({ ...service, spec: { ...service.spec!, clusterIP: 'None' } });
    const before = await eventually(async () => {
      const slices = await slicesOf(world);
      assert.deepEqual(
        slices.map(({ endpoints = [] }) => endpoints.length).toSorted((a, b) => a - b),
        [50, 100, 100],
      );
      return slices;
    }, soon);
    assert.ok(before.every(({ metadata }) => metadata.labels!['service.kubernetes.io/headless'] === ''));
    await admin.resource(PODS, NS).delete('p7');
    await eventually(async () => assert.equal(summary(await slicesOf(world)).length, 249), soon);
    const versions = new Set(before.map(({ metadata }) => metadata.resourceVersion));
    assert.equal((await slicesOf(world)).filter(({ metadata }) => !versions.has(metadata.resourceVersion)).length, 1);
    assert.deepEqual(world.logged, []);
  }));

function zonedNode(name: string, zone: string, cpu: string): Node {
  return {
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
    status: { allocatable: { cpu }, capacity: { cpu }, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

test('endpoints say which zones and nodes are to use them, as the Service asks', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const services = admin.resource(SERVICES, NS);
    const hints = async (): Promise<Record<string, string>> => {
      const endpoints = (await slicesOf(world)).flatMap((slice) => slice.endpoints ?? []);
      const text = ({ forZones = [], forNodes = [] }: NonNullable<(typeof endpoints)[0]['hints']>): string =>
        [...forZones, ...forNodes].map(({ name }) => name).join('+');
      return Object.fromEntries(endpoints.map(({ nodeName, hints }) => [nodeName!, hints ? text(hints) : '']));
    };
    const become = (expected: Record<string, string>) => eventually(async () => assert.deepEqual(await hints(), expected), soon);
    for (const node of [zonedNode('node-0', 'a', '4'), zonedNode('node-1', 'b', '2'), zonedNode('node-2', 'b', '2')])
      await admin.resource(NODES).create(node);
    await services.create({ ...service, spec: { ...service.spec!, trafficDistribution: 'PreferSameNode' } });
    for (const name of ['p0', 'p1', 'p2', 'p3']) await admin.resource(PODS, NS).create(pod(name));
    await become({ 'node-0': 'a+node-0', 'node-1': 'b+node-1', 'node-2': 'b+node-2' });
    await services.patch('web', 'merge', { spec: { trafficDistribution: 'PreferClose' } });
    await become({ 'node-0': 'a', 'node-1': 'b', 'node-2': 'b' });
    await admin.resource(NODES).patch('node-2', 'merge', { metadata: { labels: { 'topology.kubernetes.io/zone': 'c' } } });
    await become({ 'node-0': 'a', 'node-1': 'b', 'node-2': 'c' });

    const mode = (value: string | null): object => ({
      metadata: { annotations: { 'service.kubernetes.io/topology-mode': value } },
      spec: { trafficDistribution: null },
    });
    await admin.resource(NODES).patch('node-2', 'merge', { metadata: { labels: { 'topology.kubernetes.io/zone': 'b' } } });
    await services.patch('web', 'merge', mode('Auto'));
    await become({ 'node-0': 'a', 'node-1': 'b', 'node-2': 'b' });
    await services.patch('web', 'merge', mode(null));
    await become({ 'node-0': '', 'node-1': '', 'node-2': '' });
    await admin.resource(NODES).patch('node-2', 'merge', { metadata: { labels: { 'topology.kubernetes.io/zone': null } } });
    await services.patch('web', 'merge', mode('Auto'));
    const disabled = 'Insufficient Node information: allocatable CPU or zone not specified on one or more nodes, addressType: IPv4';
    await eventually(async () => {
      const events = await world.events(NS, 'web');
      assert.ok(events.includes('Normal TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4'));
      assert.ok(events.includes('Warning TopologyAwareHintsDisabled: Topology Aware Hints has been disabled, addressType: IPv4'));
      assert.ok(events.includes(`Warning TopologyAwareHintsDisabled: ${disabled}`));
    }, soon);
    assert.deepEqual(world.logged, []);
  }));
