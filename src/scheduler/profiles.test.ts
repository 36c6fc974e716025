import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { startTestApiServer } from '../../test/fixtures/apiserver.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import type { PersistentVolumeClaim, Pod } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import {
  EVENTS,
  LEASES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  PRIORITY_CLASSES,
  SERVICE_ACCOUNTS,
} from '../client/resources.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { systemRng } from '../lib/random.ts';
import { parseSchedulerConfiguration } from './config/configuration.ts';
import { createScheduler } from './scheduler.ts';

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const soon = { within: 15_000, every: 10 };

async function withScheduler(configuration: string, work: (client: Client) => Promise<void>, identity?: string): Promise<void> {
  const server = await startTestApiServer();
  const clock = systemClock();
  const log = silentLogger;
  const rng = systemRng();
  const client = createClient({ transport: server.loopback(), clock, log, rng });
  const events = createRecorder({ client, clock, log, component: 'default-scheduler' });
  const scheduler = createScheduler(
    { client, clock, rng, log, events },
    { configuration: parseSchedulerConfiguration(HEAD + configuration), ...(identity ? { identity } : {}) },
  );
  try {
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    const amounts = { cpu: '4', memory: '8Gi', pods: '110' };
    for (const name of ['empty', 'half']) {
      await client.resource(NODES).create({ metadata: { name }, status: { capacity: amounts, allocatable: amounts } });
      await client.resource(NODES).patch(name, 'merge', { spec: { taints: null } });
    }
    const filler = pod('filler', 'default-scheduler');
    await client.resource(PODS, 'default').create({ ...filler, spec: { ...filler.spec!, nodeName: 'half' } });
    await scheduler.start(new AbortController().signal);
    await work(client);
  } finally {
    await scheduler.stop();
    await client.close();
    await server.close();
  }
}

function pod(name: string, schedulerName: string, spec: Partial<Pod['spec']> = {}): Pod {
  const resources = { requests: { cpu: '2', memory: '4Gi' } };
  return { metadata: { name }, spec: { schedulerName, containers: [{ name: 'c', image: 'nginx', resources }], ...spec } };
}

const placeOf = (client: Client, name: string): Promise<string> =>
  eventually(async () => {
    const { nodeName } = (await client.resource(PODS, 'default').get(name)).spec!;
    assert.ok(nodeName, `${name} has no node`);
    return nodeName;
  }, soon);

describe('profiles of a configuration', () => {
  it('each pod is placed by the profile that it names; pods of others wait', () =>
    withScheduler(
      `profiles:
- schedulerName: spread
- schedulerName: pack
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: MostAllocated
        resources: [{name: cpu, weight: 1}, {name: memory, weight: 1}]
`,
      async (client) => {
        const pods = client.resource(PODS, 'default');
        await pods.create(pod('nobody', 'somebody-else'));
        await pods.create(pod('packed', 'pack'));
        assert.equal(await placeOf(client, 'packed'), 'half');
        await pods.delete('packed', { gracePeriodSeconds: 0 });
        await pods.create(pod('spread', 'spread'));
        assert.equal(await placeOf(client, 'spread'), 'empty');
        assert.equal((await pods.get('nobody')).spec!.nodeName, undefined);
      },
    ));

  it('without preemption nobody has to go, and the message does not speak of it', () =>
    withScheduler('profiles: [{schedulerName: s, plugins: {postFilter: {disabled: [{name: "*"}]}}}]', async (client) => {
      const pods = client.resource(PODS, 'default');
      await client.resource(PRIORITY_CLASSES).create({ metadata: { name: 'high' }, value: 1000 });
      const big = pod('big', 's', { priorityClassName: 'high' });
      big.spec!.containers[0]!.resources = { requests: { cpu: '5' } };
      await pods.create(big);
      await eventually(async () => {
        const condition = (await pods.get('big')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
        assert.equal(condition?.message, '0/2 nodes are available: 2 Insufficient cpu.');
      }, soon);
    }));

  it('works only with the lease, where it has an identity', () =>
    withScheduler(
      '',
      async (client) => {
        await client.resource(PODS, 'default').create(pod('led', 'default-scheduler'));
        await placeOf(client, 'led');
        assert.equal((await client.resource(LEASES, 'kube-system').get('kube-scheduler')).spec?.holderIdentity, 'host_1');
      },
      'host_1',
    ));
});

describe('HTTP extenders', () => {
  it('filter, rank and bind', async () => {
    const asked: string[] = [];
    let client: Client | undefined;
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const body = JSON.parse(Buffer.concat(parts).toString()) as { Pod?: Pod; NodeNames?: string[]; Node?: string; PodName?: string };
        asked.push(`${request.url} ${body.Pod?.metadata.name ?? body.PodName} ${(body.NodeNames ?? [body.Node]).toSorted().join(',')}`);
        const answer = async (): Promise<unknown> => {
          if (request.url === '/api/filter')
            return body.Pod!.metadata.name === 'never'
              ? { nodeNames: [], failedNodes: { empty: 'closed', half: 'closed' } }
              : { NodeNames: body.NodeNames };
          if (request.url === '/api/rank')
            return [
              { Host: 'half', Score: 10 },
              { Host: 'empty', Score: 0 },
            ];
          const target = { apiVersion: 'v1', kind: 'Node', name: body.Node! };
          await client!
            .resource(PODS, 'default')
            .subresource(body.PodName!, 'binding', 'POST', { metadata: { name: body.PodName }, target });
          return {};
        };
        void answer().then((value) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value)));
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      await withScheduler(
        `extenders: [{urlPrefix: "http://127.0.0.1:${port}/api", filterVerb: filter, prioritizeVerb: rank, bindVerb: bind, weight: 5, nodeCacheCapable: true}]`,
        async (own) => {
          client = own;
          const pods = own.resource(PODS, 'default');
          await pods.create(pod('ranked', 'default-scheduler'));
          assert.equal(await placeOf(own, 'ranked'), 'half');
          assert.deepEqual(asked, ['/api/filter ranked empty,half', '/api/rank ranked empty,half', '/api/bind ranked half']);
          await pods.create(pod('never', 'default-scheduler'));
          await eventually(async () => {
            const { items } = await own.resource(EVENTS, 'default').list();
            const event = items.find(({ involvedObject, reason }) => involvedObject.name === 'never' && reason === 'FailedScheduling');
            assert.match(event?.message ?? '', /^0\/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 closed\./);
          }, soon);
        },
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

describe('ReadWriteOncePod', () => {
  it('a more important pod takes the claim from a less important one', () =>
    withScheduler('', async (client) => {
      const pods = client.resource(PODS, 'default');
      await client.resource(PRIORITY_CLASSES).create({ metadata: { name: 'high' }, value: 1000 });
      const spec = { accessModes: ['ReadWriteOncePod'], storageClassName: '', resources: { requests: { storage: '1Gi' } } };
      const claim: PersistentVolumeClaim = {
        metadata: { name: 'data', annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
        spec: { ...spec, volumeName: 'disk' },
      };
      await client.resource(PERSISTENT_VOLUMES).create({
        metadata: { name: 'disk' },
        spec: { accessModes: ['ReadWriteOncePod'], capacity: { storage: '1Gi' }, hostPath: { path: '/disk' } },
      });
      await client.resource(PERSISTENT_VOLUME_CLAIMS, 'default').create(claim);
      const user = (name: string, more: Partial<Pod['spec']> = {}): Pod => {
        const made = pod(name, 'default-scheduler', { volumes: [{ name: 'd', persistentVolumeClaim: { claimName: 'data' } }], ...more });
        made.spec!.containers[0]!.resources = {};
        return made;
      };
      await pods.create(user('first'));
      await placeOf(client, 'first');
      await pods.create(user('second'));
      await eventually(async () => {
        const condition = (await pods.get('second')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
        assert.match(
          condition?.message ?? '',
          /2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode/,
        );
      }, soon);
      await pods.delete('second', { gracePeriodSeconds: 0 });
      await pods.create(user('urgent', { priorityClassName: 'high' }));
      await eventually(async () => assert.ok((await pods.get('first')).metadata.deletionTimestamp), soon);
      await pods.delete('first', { gracePeriodSeconds: 0 });
      await placeOf(client, 'urgent');
    }));
});
