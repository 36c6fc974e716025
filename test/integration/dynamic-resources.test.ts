import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { cdiName, startDraDriver, type TestDraDriver } from '../fixtures/dra-driver.ts';
import { createKubelet } from '../../src/kubelet/kubelet.ts';
import type { ContainerConfig } from '../../src/kubelet/runtime/runtime.ts';
import { createSimNetwork } from '../../src/kubelet/runtime/sim/network.ts';
import { createSimRuntime } from '../../src/kubelet/runtime/sim/runtime.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startTestApiServer } from '../fixtures/apiserver.ts';
import { createResourceClaimController } from '../../src/controllers/resourceclaim/resource-claim-controller.ts';
import type { Device, DeviceRequest, Node, Pod, ResourceSlice } from '../../src/api/types.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/new-client.ts';
import { createRecorder } from '../../src/client/recorder.ts';
import {
  DEVICE_CLASSES,
  EVENTS,
  NAMESPACES,
  NODES,
  PODS,
  RESOURCE_CLAIM_TEMPLATES,
  RESOURCE_CLAIMS,
  RESOURCE_SLICES,
  SERVICE_ACCOUNTS,
} from '../../src/client/resources.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { systemRng } from '../../src/lib/random.ts';
import { createScheduler } from '../../src/scheduler/scheduler.ts';

const DRIVER = 'gpu.example.com';
const soon = { within: 15_000, every: 10 };

interface World {
  client: Client;
  namespace: string;
}

/** An API server, the scheduler and the controller of claims; two nodes that are ready. */
async function withDevices(work: (world: World) => Promise<void>): Promise<void> {
  const server = await startTestApiServer();
  const clock = systemClock();
  const log = silentLogger;
  const rng = systemRng();
  const client = createClient({ transport: server.loopback(), clock, log, rng });
  const events = createRecorder({ client, clock, log, component: 'default-scheduler' });
  const context = { client, clock, rng, log, events };
  const parts = [createScheduler(context), ...createResourceClaimController(context)];
  try {
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    for (const name of ['one', 'two']) await client.resource(NODES).create(node(name));
    for (const name of ['one', 'two']) await client.resource(NODES).patch(name, 'merge', { spec: { taints: null } });
    await Promise.all(parts.map((part) => part.start(new AbortController().signal)));
    await client.resource(DEVICE_CLASSES).create({
      metadata: { name: 'gpu' },
      spec: { selectors: [{ cel: { expression: `device.driver == "${DRIVER}"` } }] },
    });
    await work({ client, namespace: 'default' });
  } finally {
    await Promise.all(parts.map((part) => part.stop()));
    await client.close();
    await server.close();
  }
}

function node(name: string): Node {
  const amounts = { cpu: '4', memory: '8Gi', pods: '110' };
  return {
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

function slice(nodeName: string, devices: Device[], more: Partial<ResourceSlice['spec']> = {}): ResourceSlice {
  return {
    metadata: { name: `${nodeName}-${DRIVER}` },
    spec: { driver: DRIVER, nodeName, pool: { name: nodeName, generation: 1, resourceSliceCount: 1 }, devices, ...more },
  };
}

const gpu = (name: string, memory = '10Gi', model = 'a100'): Device => ({
  name,
  attributes: { model: { string: model }, 'example.com/numa': { int: Number(name.at(-1)) % 2 }, driverVersion: { version: '1.2.3' } },
  capacity: { memory: { value: memory } },
});

function pod(name: string, claims: NonNullable<Pod['spec']>['resourceClaims']): Pod {
  return {
    metadata: { name },
    spec: {
      containers: [{ name: 'main', image: 'busybox', resources: { claims: claims!.map((each) => ({ name: each.name })) } }],
      resourceClaims: claims!,
    },
  };
}

describe('dynamic resource allocation, scheduler and claim controller on an API server', () => {
  it('gives a pod from a template a device, its node and its claim, and the next pod the device when it is freed', () =>
    withDevices(async ({ client, namespace }) => {
      const pods = client.resource(PODS, namespace);
      const claims = client.resource(RESOURCE_CLAIMS, namespace);
      const expression =
        'device.attributes["gpu.example.com"].model == "a100" && device.capacity["gpu.example.com"].memory.compareTo(quantity("8Gi")) >= 0';
      await client.resource(RESOURCE_SLICES).create(slice('two', [gpu('gpu-0'), gpu('gpu-1', '4Gi')]));
      await client.resource(RESOURCE_CLAIM_TEMPLATES, namespace).create({
        metadata: { name: 'one-gpu' },
        spec: {
          metadata: { labels: { made: 'yes' } },
          spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu', selectors: [{ cel: { expression } }] } }] } },
        },
      });
      const first = await pods.create(pod('first', [{ name: 'card', resourceClaimTemplateName: 'one-gpu' }]));
      await eventually(async () => assert.equal((await pods.get('first')).spec!.nodeName, 'two'), soon);
      const [claim] = (await claims.list()).items;
      assert.deepEqual((await pods.get('first')).status!.resourceClaimStatuses, [
        { name: 'card', resourceClaimName: claim!.metadata.name },
      ]);
      assert.match(claim!.metadata.name!, /^first-card-/);
      assert.deepEqual(claim!.status, {
        allocation: {
          devices: { results: [{ request: 'gpu', driver: DRIVER, pool: 'two', device: 'gpu-0' }] },
          nodeSelector: { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['two'] }] }] },
        },
        reservedFor: [{ resource: 'pods', name: 'first', uid: first.metadata.uid }],
      });
      assert.deepEqual(claim!.metadata.finalizers, ['resource.kubernetes.io/delete-protection']);

      await pods.create(pod('second', [{ name: 'card', resourceClaimTemplateName: 'one-gpu' }]));
      await eventually(async () => {
        const condition = (await pods.get('second')).status?.conditions?.find(({ type }) => type === 'PodScheduled');
        assert.equal(
          condition?.message,
          '0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
        );
      }, soon);
      await pods.delete('first', { gracePeriodSeconds: 0 });
      await eventually(async () => assert.equal((await pods.get('second')).spec!.nodeName, 'two'), soon);
    }));

  it('shares a named claim between pods and frees its devices after the last', () =>
    withDevices(async ({ client, namespace }) => {
      const pods = client.resource(PODS, namespace);
      const claims = client.resource(RESOURCE_CLAIMS, namespace);
      await client.resource(RESOURCE_SLICES).create(slice('one', [gpu('gpu-0')]));
      const use = [{ name: 'card', resourceClaimName: 'shared' }];
      await pods.create(pod('a', use));
      await eventually(async () => {
        assert.equal((await pods.get('a')).status?.conditions, undefined, 'a pod whose claim is missing waits in silence');
        await claims.create({
          metadata: { name: 'shared' },
          spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] } },
        });
      }, soon);
      await pods.create(pod('b', use));
      await eventually(async () => {
        const users = (await claims.get('shared')).status?.reservedFor?.map(({ name }) => name).toSorted();
        assert.deepEqual(users, ['a', 'b']);
      }, soon);
      for (const name of ['a', 'b']) await pods.delete(name, { gracePeriodSeconds: 0 });
      await eventually(async () => assert.deepEqual((await claims.get('shared')).status ?? {}, {}), soon);
      await claims.delete('shared');
      await eventually(async () => assert.deepEqual((await claims.list()).items, []), soon);
    }));

  it('says what is wrong with a claim: no such class, a selector that fails', () =>
    withDevices(async ({ client, namespace }) => {
      const pods = client.resource(PODS, namespace);
      await client.resource(NAMESPACES).list();
      await client.resource(RESOURCE_SLICES).create(slice('one', [gpu('gpu-0')]));
      const cases: { name: string; request: DeviceRequest; message: RegExp }[] = [
        {
          name: 'no-class',
          request: { name: 'gpu', exactly: { deviceClassName: 'tpu' } },
          message: /^0\/2 nodes are available: request gpu: device class tpu does not exist\. /,
        },
        {
          name: 'broken',
          request: {
            name: 'gpu',
            exactly: { deviceClassName: 'gpu', selectors: [{ cel: { expression: `device.attributes["${DRIVER}"].missing == 1` } }] },
          },
          message: /No such key: missing/,
        },
      ];
      for (const { name, request, message } of cases) {
        await client.resource(RESOURCE_CLAIMS, namespace).create({ metadata: { name }, spec: { devices: { requests: [request] } } });
        await pods.create(pod(name, [{ name: 'card', resourceClaimName: name }]));
        await eventually(async () => {
          const condition = (await pods.get(name)).status?.conditions?.find(({ type }) => type === 'PodScheduled');
          assert.match(condition?.message ?? '', message);
        }, soon);
      }
    }));
});

/** The same with a kubelet on the simulated runtime for node `three`, and a driver of two devices there. */
async function withDriver(work: (world: World & { driver: TestDraDriver; created: ContainerConfig[] }) => Promise<void>): Promise<void> {
  await withDevices(async ({ client, namespace }) => {
    const dir = await mkdtemp(path.join(tmpdir(), 'rockpool-dra-'));
    const clock = systemClock();
    const log = silentLogger;
    const created: ContainerConfig[] = [];
    const sim = createSimRuntime({
      podCidr: '127.244.239.0/24',
      hostIp: '127.0.0.1',
      network: createSimNetwork(),
      lookup: () => Promise.resolve([]),
      version: '1',
      clock,
      log,
    });
    const runtime = new Proxy(sim, {
      get: (target, key) => {
        if (key !== 'createContainer') {
          const member: unknown = Reflect.get(target, key);
          return typeof member === 'function' ? (member.bind(target) as unknown) : member;
        }
        return (...args: Parameters<typeof sim.createContainer>) => {
          created.push(args[1]);
          return sim.createContainer(...args);
        };
      },
    });
    const kubeletDir = path.join(dir, 'kubelet');
    const kubelet = createKubelet({
      client,
      clock,
      rng: systemRng(),
      log,
      runtime,
      events: createRecorder({ client, clock, log, component: 'kubelet' }),
      nodeName: 'three',
      nodeIp: '127.0.0.1',
      rootDir: kubeletDir,
      podLogsDir: path.join(dir, 'logs'),
      dns: { ip: '127.96.0.10', domain: 'cluster.local' },
      podCidr: '127.244.239.0/24',
      cgroups: false,
      mounts: false,
    });
    const devices = [gpu('gpu-0'), gpu('gpu-1')];
    const driver = await startDraDriver({ name: DRIVER, kubeletDir, client, nodeName: 'three', devices });
    try {
      await kubelet.start(new AbortController().signal);
      await eventually(async () => {
        const { spec } = await client.resource(NODES).get('three');
        if (spec?.taints?.length) await client.resource(NODES).patch('three', 'merge', { spec: { taints: null } });
        assert.ok(!(await client.resource(NODES).get('three')).spec?.taints?.length);
      }, soon);
      await work({ client, namespace, driver, created });
    } finally {
      await kubelet.stop();
      await driver.close();
      await runtime.close();
      await rm(dir, { recursive: true, force: true });
    }
  });
}

describe('dynamic resource allocation with a driver on the node', () => {
  it('prepares the devices before the pod starts, hands their CDI names to the runtime, and gives them back', () =>
    withDriver(async ({ client, namespace, driver, created }) => {
      const pods = client.resource(PODS, namespace);
      const claims = client.resource(RESOURCE_CLAIMS, namespace);
      const request = { name: 'gpu', exactly: { deviceClassName: 'gpu', count: 2 } };
      await claims.create({ metadata: { name: 'both' }, spec: { devices: { requests: [request] } } });
      driver.fail('the firmware is being flashed');
      const user = pod('user', [{ name: 'cards', resourceClaimName: 'both' }]);
      user.spec!.containers[0]!.command = ['sleep', '3600'];
      user.spec!.containers[0]!.imagePullPolicy = 'IfNotPresent';
      user.spec!.automountServiceAccountToken = false;
      await pods.create(user);
      await eventually(async () => {
        const { items } = await client.resource(EVENTS, namespace).list();
        const event = items.find(({ reason }) => reason === 'FailedPrepareDynamicResources');
        assert.match(event?.message ?? '', /NodePrepareResources failed for claim default\/both: the firmware is being flashed/);
      }, soon);
      assert.equal(created.length, 0);
      driver.fail(undefined);
      await eventually(async () => assert.equal((await pods.get('user')).status?.phase, 'Running'), soon);
      assert.equal((await pods.get('user')).spec!.nodeName, 'three');
      assert.equal(driver.calls.at(-1), 'prepare default/both gpu-0 gpu-1');
      assert.deepEqual(created[0]!.cdiDevices, [cdiName(DRIVER, 'gpu-0'), cdiName(DRIVER, 'gpu-1')]);
      await pods.delete('user', { gracePeriodSeconds: 1 });
      await eventually(async () => assert.deepEqual((await claims.get('both')).status ?? {}, {}), soon);
      assert.equal(driver.calls.at(-1), 'unprepare default/both');
    }));
});
