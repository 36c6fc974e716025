/** Controllers that are killed after every write they make: what is left must always be enough for their successors, and nothing is done twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import { untilDone } from '../../test/fixtures/mortal-controllers.ts';
import { ended, running, StandInKubelet } from '../../test/fixtures/workload-world.ts';
import type { Job, Pod, PodTemplateSpec } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  JOBS,
  NODES,
  PODS,
  REPLICA_SETS,
  SERVICE_ACCOUNTS,
  SERVICES,
  STATEFUL_SETS,
} from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { silentLogger } from '../lib/log.ts';
import { createDaemonSetController } from './daemonset/daemon-set-controller.ts';
import { createDeploymentController } from './deployment/deployment-controller.ts';
import { createEndpointSliceController } from './endpointslice/endpoint-slice-controller.ts';
import { createJobController } from './job/job-controller.ts';
import { createReplicaSetController } from './replicaset/replica-controller.ts';
import { createStatefulSetController } from './statefulset/stateful-set-controller.ts';

const NS = 'default';
const clock = systemClock({ unref: true });
async function withServer(
  behave: (pod: Pod) => ReturnType<typeof running>,
  work: (server: TestApiServer, admin: Client, made: Set<string>) => Promise<void>,
): Promise<void> {
  const server = await startTestApiServer({ advertiseAddress: '192.0.2.10' });
  const admin = createClient({ transport: server.loopback(), clock, log: silentLogger });
  const kubelet = new StandInKubelet(admin);
  kubelet.behave = behave;
  const made = new Set<string>();
  const pods = admin.informer(PODS);
  pods.subscribe({ added: ({ metadata }) => made.add(metadata.uid!) });
  try {
    // No pod is admitted without.
    await admin.resource(SERVICE_ACCOUNTS, NS).create({ metadata: { name: 'default' } });
    await kubelet.start();
    await work(server, admin, made);
  } finally {
    await kubelet.stop();
    await admin.close();
    await server.close();
  }
}

const labels = { app: 'web' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'one' }] } } as PodTemplateSpec;
const selector = { matchLabels: labels };
const toImage = (image: string) => ({ spec: { template: { spec: { containers: [{ name: 'main', image }] } } } });

for (const writes of [1, 2, 3, 7]) {
  test(`a Job counts every pod once, killed after each ${writes} writes`, () =>
    withServer(
      () => ended(0),
      async (server, admin, made) => {
        const job: Job = {
          metadata: { name: 'pi' },
          spec: {
            completions: 6,
            parallelism: 3,
            template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x' }] } },
          },
        };
        const indexed: Job = { ...job, metadata: { name: 'indexed' }, spec: { ...job.spec!, completionMode: 'Indexed' } };
        const jobs = admin.resource(JOBS, NS);
        await jobs.create(job);
        await jobs.create(indexed);
        const complete = async (name: string) =>
          (await jobs.get(name)).status?.conditions?.some(({ type }) => type === 'Complete') ?? false;
        const generations = await untilDone(server, {
          writes,
          create: createJobController,
          isDone: async () => (await complete('pi')) && complete('indexed'),
        });
        assert.ok(generations > 1);
        for (const name of ['pi', 'indexed']) assert.equal((await jobs.get(name)).status!.succeeded, 6);
        assert.equal((await jobs.get('indexed')).status!.completedIndexes, '0-5');
        assert.equal(made.size, 12, 'no pod was made twice');
        assert.ok((await admin.resource(PODS, NS).list()).items.every(({ metadata }) => metadata.finalizers === undefined));
      },
    ));
}

test('a Deployment, its ReplicaSets and a Service come through a rollout, killed after each write', () =>
  withServer(running, async (server, admin, made) => {
    const deployments = admin.resource(DEPLOYMENTS, NS);
    const create = (context: ComponentContext): Component[] => [
      ...createDeploymentController(context),
      ...createReplicaSetController(context),
      ...createEndpointSliceController(context),
    ];
    await admin.resource(SERVICES, NS).create({ metadata: { name: 'web' }, spec: { selector: labels, ports: [{ port: 80 }] } });
    await deployments.create({ metadata: { name: 'web' }, spec: { replicas: 3, selector, template } });
    const isDone = (image: string) => async (): Promise<boolean> => {
      const { metadata, status = {} } = await deployments.get('web');
      const isComplete =
        status.conditions?.some(({ reason }) => reason === 'NewReplicaSetAvailable') && status.observedGeneration === metadata.generation;
      const slices = (await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=web' })).items;
      const pods = (await admin.resource(PODS, NS).list()).items;
      const behind = slices.flatMap(({ endpoints = [] }) => endpoints.map(({ targetRef }) => targetRef!.uid)).toSorted();
      const wanted = pods.map(({ metadata }) => metadata.uid).toSorted();
      return (
        Boolean(isComplete) &&
        status.updatedReplicas === 3 &&
        status.replicas === 3 &&
        pods.every(({ spec }) => spec!.containers[0]!.image === image) &&
        behind.join() === wanted.join()
      );
    };
    await untilDone(server, { writes: 1, create, isDone: isDone('one') });
    assert.equal(made.size, 3);
    await deployments.patch('web', 'strategic', toImage('two'));
    await untilDone(server, { writes: 1, create, isDone: isDone('two') });
    assert.equal(made.size, 6, 'no pod too many was made');
    assert.deepEqual((await admin.resource(REPLICA_SETS, NS).list()).items.map(({ spec }) => spec!.replicas).toSorted(), [0, 3]);
    assert.equal((await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=web' })).items.length, 1);
  }));

test('a StatefulSet and a DaemonSet come through an update, killed after each write', () =>
  withServer(running, async (server, admin, made) => {
    const create = (context: ComponentContext): Component[] => [
      ...createStatefulSetController(context),
      ...createDaemonSetController(context),
    ];
    for (const name of ['n1', 'n2']) await admin.resource(NODES).create({ metadata: { name } });
    for (const name of ['n1', 'n2']) await admin.resource(NODES).patch(name, 'merge', { spec: { taints: null } });
    const daemon = { ...template, metadata: { labels: { app: 'agent' } } } as PodTemplateSpec;
    await admin
      .resource(STATEFUL_SETS, NS)
      .create({ metadata: { name: 'db' }, spec: { replicas: 2, serviceName: 'db', selector, template } });
    await admin
      .resource(DAEMON_SETS, NS)
      .create({ metadata: { name: 'agent' }, spec: { selector: { matchLabels: { app: 'agent' } }, template: daemon } });
    const isDone = async (): Promise<boolean> => {
      const { metadata: m1, status: set } = await admin.resource(STATEFUL_SETS, NS).get('db');
      const { metadata: m2, status: daemons } = await admin.resource(DAEMON_SETS, NS).get('agent');
      const isSetDone =
        set?.availableReplicas === 2 &&
        set.currentRevision === set.updateRevision &&
        set.updatedReplicas === 2 &&
        set.observedGeneration === m1.generation;
      return (
        isSetDone && daemons?.numberAvailable === 2 && daemons.updatedNumberScheduled === 2 && daemons.observedGeneration === m2.generation
      );
    };
    await untilDone(server, { writes: 1, create, isDone });
    assert.equal(made.size, 4);
    await admin.resource(STATEFUL_SETS, NS).patch('db', 'strategic', toImage('two'));
    await admin.resource(DAEMON_SETS, NS).patch('agent', 'strategic', toImage('two'));
    await untilDone(server, { writes: 1, create, isDone });
    assert.equal(made.size, 8);
  }));
