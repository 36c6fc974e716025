/** Controllers whose caches lag behind what they did themselves: they wait, and do nothing twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../test/fixtures/eventually.ts';
import { startTestApiServer } from '../../test/fixtures/apiserver.ts';
import { ended, running, StandInKubelet } from '../../test/fixtures/workload-world.ts';
import type { Transport } from '../api/transport.ts';
import type { PodTemplateSpec } from '../api/types.gen.ts';
import { createClient } from '../client/new-client.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { DEPLOYMENTS, ENDPOINT_SLICES, JOBS, PODS, SERVICE_ACCOUNTS, SERVICES, STATEFUL_SETS } from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { createLogger } from '../lib/log.ts';
import { seededRng } from '../lib/random.ts';
import { createDeploymentController } from './deployment/deployment-controller.ts';
import { createEndpointSliceController } from './endpointslice/endpoint-slice-controller.ts';
import { createJobController } from './job/job-controller.ts';
import { createReplicaSetController } from './replicaset/replica-controller.ts';
import { createStatefulSetController } from './statefulset/stateful-set-controller.ts';

const NS = 'default';
const clock = systemClock({ unref: true });

/** Each batch of each watch arrives up to `maxMs` late. */
function lagging(transport: Transport, maxMs: number): Transport {
  const rng = seededRng(7);
  async function* late<T>(batches: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const batch of batches) {
      await clock.sleep(rng.next() * maxMs);
      yield batch;
    }
  }
  return async (request) => {
    const response = await transport(request);
    return response.events ? { ...response, events: late(response.events) } : response;
  };
}

const labels = { app: 'web' };
const template = (image: string): PodTemplateSpec => ({ metadata: { labels }, spec: { containers: [{ name: 'main', image }] } });

test('a cache that is late makes nobody create or delete too much', async () => {
  const server = await startTestApiServer({ advertiseAddress: '192.0.2.10' });
  const log = createLogger({ level: 'error' });
  const admin = createClient({ transport: server.loopback(), clock, log });
  const client = createClient({ transport: lagging(server.loopback(), 60), clock, log });
  const context: ComponentContext = { client, clock, rng: seededRng(1), log, events: { event: () => undefined } };
  const controllers = [
    createDeploymentController,
    createReplicaSetController,
    createJobController,
    createStatefulSetController,
    createEndpointSliceController,
  ].flatMap((create) => create(context));
  const kubelet = new StandInKubelet(admin);
  kubelet.behave = (pod) => (pod.spec!.restartPolicy === 'Never' ? ended(0) : running(pod));
  const made = new Map<string, number>();
  const most = { alive: 0 };
  const pods = admin.informer(PODS);
  pods.subscribe({
    added: ({ metadata }) => {
      const owner = metadata.ownerReferences![0]!.kind;
      made.set(owner, (made.get(owner) ?? 0) + 1);
      most.alive = Math.max(most.alive, pods.list().filter((each) => each.metadata.ownerReferences![0]!.kind === 'ReplicaSet').length);
    },
  });
  try {
    await admin.resource(SERVICE_ACCOUNTS, NS).create({ metadata: { name: 'default' } });
    await kubelet.start();
    await Promise.all(controllers.map((controller) => controller.start(new AbortController().signal)));
    await admin.resource(SERVICES, NS).create({ metadata: { name: 'web' }, spec: { selector: labels, ports: [{ port: 80 }] } });
    await admin
      .resource(DEPLOYMENTS, NS)
      .create({ metadata: { name: 'web' }, spec: { replicas: 10, selector: { matchLabels: labels }, template: template('one') } });
    await admin.resource(JOBS, NS).create({
      metadata: { name: 'pi' },
      spec: {
        completions: 8,
        parallelism: 4,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'x' }] } },
      },
    });
    const set = { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'db', image: 'one' }] } } as PodTemplateSpec;
    await admin
      .resource(STATEFUL_SETS, NS)
      .create({ metadata: { name: 'db' }, spec: { replicas: 3, selector: { matchLabels: { app: 'db' } }, template: set } });
    const finished = (updated: number) => async (): Promise<void> => {
      const { metadata, status: web } = await admin.resource(DEPLOYMENTS, NS).get('web');
      const { status: pi } = await admin.resource(JOBS, NS).get('pi');
      const { status: db } = await admin.resource(STATEFUL_SETS, NS).get('db');
      const { items: slices } = await admin.resource(ENDPOINT_SLICES, NS).list({ labelSelector: 'kubernetes.io/service-name=web' });
      const ready = slices.flatMap(({ endpoints = [] }) => endpoints.filter(({ conditions }) => conditions?.ready));
      assert.equal(web?.observedGeneration, metadata.generation);
      assert.deepEqual(
        [web?.availableReplicas, web?.updatedReplicas, web?.replicas, pi?.succeeded, db?.availableReplicas, slices.length, ready.length],
        [updated, updated, updated, 8, 3, 1, updated],
      );
    };
    await eventually(finished(10), { within: 20_000, every: 20 });
    assert.deepEqual(Object.fromEntries(made), { ReplicaSet: 10, Job: 8, StatefulSet: 3 });
    await admin.resource(DEPLOYMENTS, NS).patch('web', 'merge', { spec: { template: template('two') } });
    await eventually(finished(10), { within: 20_000, every: 20 });
    assert.equal(made.get('ReplicaSet'), 20);
    // Ten and a surge of three; pods that are on their way out may still be there.
    assert.ok(most.alive <= 13 + 3, `${most.alive} pods at once`);
  } finally {
    await Promise.all(controllers.map((controller) => controller.stop()));
    await kubelet.stop();
    await Promise.all([client.close(), admin.close()]);
    await server.close();
  }
});
