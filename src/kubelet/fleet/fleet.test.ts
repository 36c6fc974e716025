import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { Pod, PodSpec } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/new-client.ts';
import { LEASES, NODES, PODS, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { courseOf } from './course.ts';
import { fleetDialer } from './dialer.ts';
import { createFleet } from './fleet.ts';
import { fleetNodeName, isFleetNode, nodeAddress, podNetwork } from './fleet-node.ts';

describe('fleet', () => {
  let api: TestApiServer;
  let client: Client;
  let fleet: Component;
  const clock = systemClock({ unref: true });

  const newFleet = (count: number): Component =>
    createFleet({
      client: createClient({ transport: api.loopback(), clock, log: silentLogger }),
      clock,
      rng: systemRng(),
      log: silentLogger,
      count,
      nodePrefix: 'sim-',
      version: '1',
    });

  before(async () => {
    api = await startTestApiServer();
    client = createClient({ transport: api.loopback(), clock, log: silentLogger });
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    fleet = newFleet(40);
    await fleet.start(new AbortController().signal);
  });
  after(async () => {
    await fleet.stop();
    await client.close();
    await api.close();
  });

  const pods = () => client.resource(PODS, 'default');
  const run = (name: string, container: Partial<PodSpec['containers'][number]>, spec: Partial<PodSpec> = {}) =>
    pods().create({
      metadata: { name },
      spec: {
        nodeName: 'sim-0007',
        automountServiceAccountToken: false,
        ...spec,
        containers: [{ name: 'main', image: 'nginx', ...container }],
      },
    });
  const until = (name: string, fits: (pod: Pod) => boolean) =>
    eventually(async () => {
      const pod = await pods().get(name);
      assert.ok(fits(pod), JSON.stringify(pod.status));
      return pod;
    });

  it('registers Ready nodes in zones, each with a lease', async () => {
    const { items } = await client.resource(NODES).list({ labelSelector: 'rockpool.dev/fleet' });
    assert.equal(items.length, 40);
    const node = items.find(({ metadata }) => metadata.name === 'sim-0002')!;
    assert.equal(node.metadata.labels?.['topology.kubernetes.io/zone'], 'sim-b');
    assert.equal(node.metadata.labels?.['rockpool.dev/runtime'], 'sim');
    assert.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    const lease = await client.resource(LEASES, 'kube-node-lease').get('sim-0002');
    assert.ok(clock.now() - Date.parse(String(lease.spec?.renewTime)) < 30_000);
  });

  it('a pod runs, Ready, with an address of its node', async () => {
    await run('server', {});
    const { status } = await until('server', (pod) => pod.status?.phase === 'Running');
    assert.match(status?.podIP ?? '', /^10\.128\.6\.\d+$/);
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
    assert.equal(status?.containerStatuses?.[0]?.ready, true);
  });

  it('a pod that is resized has what it wants', async () => {
    await run('resized', { resources: { requests: { cpu: '100m' } } });
    await until('resized', (pod) => pod.status?.phase === 'Running');
    await pods().patch(
      'resized',
      'strategic',
      { spec: { containers: [{ name: 'main', resources: { requests: { cpu: '200m' } } }] } },
      'resize',
    );
    const { status } = await until('resized', (pod) => pod.status?.observedGeneration === 2);
    assert.deepEqual(status?.containerStatuses?.[0]?.resources, { requests: { cpu: '200m' } });
  });

  it('a deleted pod goes at once', async () => {
    await run('going', {});
    await until('going', (pod) => pod.status?.phase === 'Running');
    await pods().delete('going');
    await eventually(() => assert.rejects(pods().get('going'), /not found/));
  });

  it('commands that end complete or fail their pods', async () => {
    await run('fine', { image: 'busybox', command: ['sh', '-c', 'echo done'] }, { restartPolicy: 'Never' });
    await run('bad', { image: 'busybox', command: ['sh', '-c', 'exit 3'] }, { restartPolicy: 'Never' });
    await until('fine', (pod) => pod.status?.phase === 'Succeeded');
    const bad = await until('bad', (pod) => pod.status?.phase === 'Failed');
    assert.equal(bad.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
  });

  it('what fails and shall run again backs off', async () => {
    await run('crashing', { image: 'busybox', command: ['sh', '-c', 'exit 1'] });
    const { status } = await until('crashing', (pod) => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff');
    assert.equal(status?.phase, 'Running');
    assert.equal(status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'False');
  });

  it('a smaller fleet removes the nodes beyond, and keeps what people put on the others', async () => {
    await client.resource(NODES).patch('sim-0001', 'merge', { metadata: { labels: { mine: 'yes' } }, spec: { unschedulable: true } });
    await fleet.stop();
    fleet = newFleet(10);
    await fleet.start(new AbortController().signal);
    const { items } = await client.resource(NODES).list({ labelSelector: 'rockpool.dev/fleet' });
    assert.equal(items.length, 10);
    const kept = items.find(({ metadata }) => metadata.name === 'sim-0001');
    assert.equal(kept?.metadata.labels?.['mine'], 'yes');
    assert.equal(kept?.spec?.unschedulable, true);
  });
});

describe('course of a container', () => {
  const cases: readonly (readonly [string, string, string[], number | undefined, number])[] = [
    ['a server runs on', 'nginx', [], undefined, 0],
    ['a server with a command runs on', 'example.com/app', ['run'], undefined, 0],
    ['echo ends', 'busybox', ['echo', 'hi'], 500, 0],
    ['sleep ends after its time', 'busybox:1.36', ['sleep', '5'], 5000, 0],
    ['sleeps add up', 'docker.io/library/alpine', ['sh', '-c', 'sleep 1m; sleep 2; exit 4'], 62_000, 4],
    ['a loop runs on', 'busybox', ['sh', '-c', 'while true; do sleep 1; done'], undefined, 0],
    ['tail -f runs on', 'debian', ['tail', '-f', '/dev/null'], undefined, 0],
    ['false fails', 'busybox', ['false'], 500, 1],
  ];
  for (const [name, image, command, endsAfterMs, exitCode] of cases) {
    it(name, () => assert.deepEqual(courseOf({ name: 'main', image, command }), { endsAfterMs, exitCode }));
  }
});

it('names and addresses of nodes are their own', () => {
  const indexes = Array.from({ length: 3000 }, (_, index) => index);
  for (const give of [(index: number) => fleetNodeName('sim-', index), nodeAddress, podNetwork])
    assert.equal(new Set(indexes.map((index) => give(index))).size, 3000);
  assert.ok(isFleetNode('sim-', 'sim-0001'));
  assert.ok(!isFleetNode('sim-', 'sim-m02'));
});

it('whoever dials a kubelet of the fleet is told that there is none', async () => {
  const dial = fleetDialer('sim-');
  assert.equal(dial('rockpool'), undefined);
  await assert.rejects(dial('sim-0007')!.connect(), /node sim-0007 is one of many simulated nodes/);
});
