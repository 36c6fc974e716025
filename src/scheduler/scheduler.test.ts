import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer } from '../../test/fixtures/apiserver.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import { StatusError } from '../api/status.ts';
import type { Node, Pod } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import { EVENTS, NODES, PODS, PRIORITY_CLASSES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import type { Component } from '../lib/component.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { createScheduler } from './scheduler.ts';

const node = (name: string, cpu: string): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'kubernetes.io/hostname': name } },
  status: {
    capacity: { cpu, memory: '8Gi', pods: '110' },
    allocatable: { cpu, memory: '8Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True' }],
  },
});

const pod = (name: string, cpu: string, priorityClassName?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu } } }],
    ...(priorityClassName ? { priorityClassName } : {}),
  },
});

/** What is asked for, or undefined when it is gone. */
const ifThere = <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: unknown) => {
    if (!StatusError.is(error, 'NotFound')) throw error;
    return undefined;
  });

describe('scheduler against the API server', () => {
  let server: Awaited<ReturnType<typeof startTestApiServer>>;
  let client: Client;
  let scheduler: Component;
  const pods = () => client.resource(PODS, 'default');
  const placeOf = async (name: string) => (await pods().get(name)).spec!.nodeName;

  before(async () => {
    server = await startTestApiServer();
    const clock = systemClock();
    const log = silentLogger;
    const rng = systemRng();
    client = createClient({ transport: server.loopback(), clock, log, rng });
    scheduler = createScheduler({
      client,
      clock,
      rng,
      log,
      events: createRecorder({ client, clock, log, component: 'default-scheduler' }),
    });
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } });
    await client
      .resource(PRIORITY_CLASSES)
      .create({ apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name: 'urgent' }, value: 1000 });
    await scheduler.start(new AbortController().signal);
  });
  after(async () => {
    await scheduler.stop();
    await client.close();
    await server.close();
  });

  it('tells why a pod has no node, and binds it when one comes', async () => {
    await pods().create(pod('first', '1'));
    await eventually(async () => {
      const condition = (await pods().get('first')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
      assert.equal(condition?.message, 'no nodes available to schedule pods');
    });
    await client.resource(NODES).create(node('small', '1'));
    await eventually(async () => {
      const condition = (await pods().get('first')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
      assert.equal(
        condition?.message,
        '0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
      );
    });
    // What the node lifecycle controller does when the node turns Ready.
    await client.resource(NODES).patch('small', 'merge', { spec: { taints: null } });
    await eventually(async () => assert.equal(await placeOf('first'), 'small'), { within: 10_000 });
    await eventually(async () => {
      const { items } = await client.resource(EVENTS, 'default').list();
      assert.ok(
        items.some(({ message }) => message === 'Successfully assigned default/first to small'),
        items.map(({ message }) => message).join('\n'),
      );
    });
  });

  it('never gives more than a node has', async () => {
    await pods().create(pod('second', '500m'));
    await eventually(async () => {
      const condition = (await pods().get('second')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
      assert.equal(
        condition?.message,
        '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
      );
      assert.equal(condition?.reason, 'Unschedulable');
    });
  });

  it('removes less important pods for a more important one', async () => {
    await pods().create(pod('urgent', '1', 'urgent'));
    await eventually(async () => {
      const victim = await ifThere(pods().get('first'));
      assert.ok(!victim || victim.metadata.deletionTimestamp, 'the victim is asked to go');
    });
    await ifThere(pods().delete('first', { gracePeriodSeconds: 0 }));
    await eventually(async () => assert.equal(await placeOf('urgent'), 'small'), { within: 10_000 });
  });
});
