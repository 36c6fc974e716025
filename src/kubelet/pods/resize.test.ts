/** Resizing pods in place (KEP-1287), against a real API server and the simulated runtime. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { StatusError } from '../../api/status.ts';
import type { Container, Pod, PodSpec, ResourceRequirements } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { createClient } from '../../client/new-client.ts';
import { createRecorder } from '../../client/recorder.ts';
import { EVENTS, PODS, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import { systemClock } from '../../lib/clock.ts';
import { createLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { createKubelet, type Kubelet } from '../kubelet.ts';
import type { ContainerResources, ContainerRuntime } from '../runtime/runtime.ts';
import { createSimNetwork } from '../runtime/sim/network.ts';
import { createSimRuntime } from '../runtime/sim/runtime.ts';
import { allocatedTo } from './allocation.ts';
import { resizeNeeds, resizeRefusal, resizeSummary } from './resize-rules.ts';

const NODE = 'node';
const GIB = 2 ** 30;

describe('a pod on a node with 2 cores', () => {
  let api: TestApiServer;
  let client: Client;
  let kubelet: Kubelet;
  let runtime: ContainerRuntime;
  let dir: string;
  /** What the runtime was asked for, by the container's id. */
  const asked = new Map<string, ContainerResources>();
  let refuses = false;

  const clock = systemClock();
  const log = createLogger({ level: 'error' });
  const startKubelet = async (): Promise<void> => {
    kubelet = createKubelet({
      client, clock, rng: systemRng(), log, runtime, events: createRecorder({ client, clock, log, component: 'kubelet' }), nodeName: NODE, nodeIp: '127.0.0.1', rootDir: path.join(dir, 'kubelet'),
      podLogsDir: path.join(dir, 'logs'), dns: { ip: '127.96.0.10', domain: 'cluster.local' }, podCidr: '127.244.249.0/24', cgroups: false, mounts: false,
      capacity: { cpus: 2, memoryBytes: 4 * GIB },
    }); // prettier-ignore
    await kubelet.start(new AbortController().signal);
  };

  before(async () => {
    [api, dir] = await Promise.all([startTestApiServer(), mkdtemp(path.join(tmpdir(), 'rockpool-resize-'))]);
    client = createClient({ transport: api.loopback(), clock, log });
    const sim = createSimRuntime({
      podCidr: '127.244.249.0/24', hostIp: '127.0.0.1', network: createSimNetwork(), lookup: () => Promise.resolve([]), version: '1', clock, log,
    }); // prettier-ignore
    const update = sim.updateContainerResources.bind(sim);
    runtime = Object.assign(sim, {
      updateContainerResources: (id: string, resources: ContainerResources): Promise<void> => {
        if (refuses) return Promise.reject(new Error('the runtime is out of sorts'));
        asked.set(id, resources);
        return update(id, resources);
      },
    });
    await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    await startKubelet();
  });
  after(async () => {
    await kubelet.stop();
    await runtime.close();
    await client.close();
    await api.close();
    await rm(dir, { recursive: true, force: true });
  });

  const pods = () => client.resource(PODS, 'default');
  const of = (cpu: string, memory = '64Mi'): ResourceRequirements => ({
    requests: { cpu, memory },
    limits: { cpu: '1900m', memory: '1Gi' },
  });
  const run = async (name: string, resources: ResourceRequirements, container: Partial<Container> = {}, spec: Partial<PodSpec> = {}) => {
    await pods().create({
      metadata: { name },
      spec: {
        nodeName: NODE,
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        ...spec,
        containers: [{ name: 'main', image: 'nginx', imagePullPolicy: 'IfNotPresent', resources, ...container }],
      },
    });
    return until(name, ({ status }) => status?.phase === 'Running');
  };
  const resize = (name: string, resources: ResourceRequirements) =>
    pods().patch(name, 'strategic', { spec: { containers: [{ name: 'main', resources }] } }, 'resize');
  const until = (name: string, fits: (pod: Pod) => boolean) =>
    eventually(
      async () => {
        const pod = await pods().get(name);
        assert.ok(fits(pod), JSON.stringify(pod.status));
        return pod;
      },
      { within: 10_000 },
    );
  const main = ({ status }: Pod) => status!.containerStatuses![0]!;
  const condition = ({ status }: Pod, type: string) => status?.conditions?.find((one) => one.type === type);
  const isSettled = (pod: Pod) => !condition(pod, 'PodResizePending') && !condition(pod, 'PodResizeInProgress');
  const eventsOf = async (name: string) =>
    (await client.resource(EVENTS, 'default').list()).items.filter(({ involvedObject }) => involvedObject.name === name);
  const untilEvent = (name: string, reason: string) =>
    eventually(
      async () => {
        const event = (await eventsOf(name)).find((one) => one.reason === reason);
        assert.ok(event, `no event ${reason}`);
        return event;
      },
      { within: 10_000 },
    );
  const remove = async (name: string): Promise<void> => {
    await pods().delete(name, { gracePeriodSeconds: 0 });
  };

  it('shows what it was given', async () => {
    const pod = await run('plain', of('100m'));
    assert.deepEqual(main(pod).allocatedResources, { cpu: '100m', memory: '64Mi' });
    assert.deepEqual(main(pod).resources, of('100m'));
    assert.equal(pod.status!.observedGeneration, 1);
    await remove('plain');
  });

  it('gets more while it runs', async () => {
    const { containerID } = main(await run('grows', of('100m')));
    const patched = await resize('grows', of('250m', '128Mi'));
    assert.equal(patched.metadata.generation, 2);
    const pod = await until('grows', (now) => main(now).resources?.requests?.['cpu'] === '250m' && isSettled(now));
    assert.equal(main(pod).containerID, containerID);
    assert.equal(main(pod).restartCount, 0);
    assert.deepEqual(main(pod).allocatedResources, { cpu: '250m', memory: '128Mi' });
    assert.equal(pod.status!.observedGeneration, 2);
    assert.equal(asked.get(containerID!.replace('sim://', ''))!.cpuShares, 256);
    assert.equal(
      (await untilEvent('grows', 'ResizeCompleted')).message,
      'Pod resize completed: {"containers":[{"name":"main","resources":{"limits":{"cpu":"1900m","memory":"1Gi"},"requests":{"cpu":"250m","memory":"128Mi"}}}],"generation":2}',
    );
    await untilEvent('grows', 'ResizeStarted');
    await remove('grows');
  });

  it('starts its container anew where the policy says so', async () => {
    const { containerID } = main(
      await run('anew', of('100m'), { resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }] }),
    );
    await resize('anew', of('200m'));
    await until('anew', (now) => main(now).resources?.requests?.['cpu'] === '200m' && main(now).containerID === containerID);
    await resize('anew', of('200m', '128Mi'));
    const pod = await until('anew', (now) => main(now).restartCount === 1 && Boolean(main(now).state?.running) && isSettled(now));
    assert.notEqual(main(pod).containerID, containerID);
    assert.equal(main(pod).resources?.requests?.['memory'], '128Mi');
    assert.equal((await untilEvent('anew', 'Killing')).message, 'Container main resize requires restart');
    await remove('anew');
  });

  it('is told of it by its downward API volume', async () => {
    const items = [{ path: 'cpu', resourceFieldRef: { containerName: 'main', resource: 'requests.cpu', divisor: '1m' } }];
    const pod = await run(
      'informed',
      of('100m'),
      { image: 'busybox', command: ['sleep', '1000000'], volumeMounts: [{ name: 'info', mountPath: '/info' }] },
      { volumes: [{ name: 'info', downwardAPI: { items } }] },
    );
    const id = main(pod).containerID!.replace('sim://', '');
    const told = async (): Promise<string> => (await runtime.execSync(id, ['cat', '/info/cpu'], 5)).stdout.toString();
    assert.equal(await told(), '100');
    await resize('informed', of('125m'));
    await eventually(async () => assert.equal(await told(), '125'), { within: 10_000 });
    await remove('informed');
  });

  it('waits for room, and gets it when others go', async () => {
    await run('other', of('1'));
    await run('waits', of('500m'));
    await resize('waits', of('1500m'));
    const waiting = await until('waits', (now) => condition(now, 'PodResizePending')?.reason === 'Deferred');
    const { message, observedGeneration } = condition(waiting, 'PodResizePending')!;
    assert.equal(message, "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000");
    assert.equal(observedGeneration, 2);
    assert.equal(main(waiting).allocatedResources?.['cpu'], '500m');
    assert.match(
      (await untilEvent('waits', 'ResizeDeferred')).message!,
      /^Pod resize Deferred: .*"generation":2,"error":"Node didn't have/,
    );
    await remove('other');
    await until('waits', (now) => main(now).resources?.requests?.['cpu'] === '1500m' && isSettled(now));
    await remove('waits');
  });

  it('is refused what the node could never give', async () => {
    await run('greedy', of('100m'));
    const refused = await resize('greedy', { requests: { cpu: '3' }, limits: { cpu: '3' } }).catch((error: unknown) => error);
    assert.ok(refused instanceof StatusError);
    assert.equal(
      refused.message,
      `pods "greedy" is forbidden: node didn't have enough allocatable resources: cpu, requested: 3000, allocatable: 2000`,
    );
    assert.deepEqual(refused.status.details?.causes, [{ reason: 'NodeCapacity' }]);
    await remove('greedy');
  });

  it('says what stands in the way, and goes on when it can', async () => {
    await run('unlucky', of('100m'));
    refuses = true;
    await resize('unlucky', of('200m'));
    const stuck = await until('unlucky', (now) => condition(now, 'PodResizeInProgress')?.reason === 'Error');
    assert.equal(condition(stuck, 'PodResizeInProgress')!.message, 'the runtime is out of sorts');
    assert.equal(main(stuck).resources?.requests?.['cpu'], '100m');
    assert.equal(main(stuck).allocatedResources?.['cpu'], '200m');
    assert.match((await untilEvent('unlucky', 'ResizeError')).message!, /"error":"the runtime is out of sorts"\}$/);
    refuses = false;
    await resize('unlucky', of('300m'));
    await until('unlucky', (now) => main(now).resources?.requests?.['cpu'] === '300m' && isSettled(now));
    await remove('unlucky');
  });

  it('does not lose memory that it uses', async () => {
    await run('full', of('100m'));
    await resize('full', { requests: { cpu: '100m', memory: '1Mi' }, limits: { cpu: '1900m', memory: '1Mi' } });
    const stuck = await until('full', (now) => condition(now, 'PodResizeInProgress')?.reason === 'Error');
    assert.match(
      condition(stuck, 'PodResizeInProgress')!.message!,
      /^attempting to set container "main" memory limit \(1048576\) below current usage \(\d+\)$/,
    );
    await remove('full');
  });

  it('goes on where another kubelet stopped', async () => {
    const { containerID } = main(await run('stays', of('100m')));
    await resize('stays', of('150m'));
    await until('stays', (now) => main(now).resources?.requests?.['cpu'] === '150m' && isSettled(now));
    await kubelet.stop();
    await resize('stays', of('175m'));
    await startKubelet();
    const pod = await until('stays', (now) => main(now).resources?.requests?.['cpu'] === '175m' && isSettled(now));
    assert.equal(main(pod).containerID, containerID);
    await remove('stays');
  });
});

describe('rules', () => {
  const container = (cpu: string, more: Partial<Container> = {}): Container => ({
    name: 'c',
    resources: { requests: { cpu, memory: '1Gi' } },
    ...more,
  });
  const pod = (cpu: string): Pod => ({ metadata: { name: 'p' }, spec: { containers: [container(cpu)] } });

  const refusals: [string, string, string | undefined][] = [
    ['room enough', '1', undefined],
    ['not now', '1500m', "Deferred: Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"],
    ['never', '2500m', "Infeasible: Node didn't have enough capacity: cpu, requested: 2500, capacity: 2000"],
  ];
  for (const [name, cpu, expected] of refusals)
    test(name, () => {
      const refusal = resizeRefusal(pod(cpu), [pod('1')], { cpu: '2', memory: '4Gi', pods: '10' });
      assert.equal(refusal && `${refusal.reason}: ${refusal.message}`, expected);
    });

  const policies = { resizePolicy: [{ resourceName: 'memory', restartPolicy: 'RestartContainer' }] };
  const needs: [string, Container, ResourceRequirements, string][] = [
    ['the same in other words', container('1'), { requests: { cpu: '1000m', memory: '1024Mi' } }, 'nothing'],
    ['other cpu', container('1', policies), { requests: { cpu: '2', memory: '1Gi' } }, 'update'],
    ['other memory', container('1', policies), { requests: { cpu: '1', memory: '2Gi' } }, 'restart'],
    ['a new limit', container('1'), { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1' } }, 'update'],
  ];
  for (const [name, given, inForce, expected] of needs) test(name, () => assert.equal(resizeNeeds(given, inForce), expected));

  test('the status tells what was promised', () => {
    const resources = { requests: { cpu: '500m', 'example.com/gpu': '1' }, limits: { cpu: '2', 'example.com/gpu': '1' } };
    const status = { containerStatuses: [{ name: 'c', allocatedResources: { cpu: '250m' }, resources: { limits: { cpu: '1' } } }] };
    assert.deepEqual(
      allocatedTo({
        metadata: {},
        spec: { containers: [{ name: 'c', resources }, container('1', { name: 'd' })] },
        status,
      } as unknown as Pod),
      new Map<string, ResourceRequirements>([
        ['c', { requests: { cpu: '250m', 'example.com/gpu': '1' }, limits: { cpu: '1', 'example.com/gpu': '1' } }],
        ['d', { requests: { cpu: '1', memory: '1Gi' } }],
      ]),
    );
  });

  test('what events tell', () => {
    const sidecar = { name: 's', restartPolicy: 'Always', resources: {} };
    assert.equal(
      resizeSummary({ metadata: {}, spec: { initContainers: [sidecar], containers: [container('1')] } }, 3, 'why'),
      '{"initContainers":[{"name":"s","resources":{}}],"containers":[{"name":"c","resources":{"requests":{"cpu":"1","memory":"1Gi"}}}],"generation":3,"error":"why"}',
    );
  });
});
