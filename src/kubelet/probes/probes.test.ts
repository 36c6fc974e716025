import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Server, ServerCredentials, status as codes } from '@grpc/grpc-js';
import type { Container, Pod, Probe } from '../../api/types.gen.ts';
import { ManualClock } from '../../lib/clock.ts';
import { type ContainerRuntime, type ContainerStatus, RuntimeError } from '../runtime/runtime.ts';
import { grpcProbe } from './grpc.ts';
import { createProbeManager } from './manager.ts';
import { runProbe } from './prober.ts';

const pod: Pod = { metadata: { name: 'p', namespace: 'default', uid: 'u' }, spec: { containers: [] } };
let answer = 200;
const server = http.createServer((request, response) => {
  if (request.url === '/slow') return;
  response.statusCode = request.headers['x-token'] === 'yes' ? 200 : answer;
  response.end('body');
});
let port = 0;

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
after(() => {
  server.closeAllConnections();
  server.close();
});

/** Only what a probe calls; anything else is a failure of the test. */
const runtime = (execSync: ContainerRuntime['execSync'] = () => assert.fail('no exec expected')): ContainerRuntime =>
  ({ execSync }) as unknown as ContainerRuntime;
const result = (stdout: string, exitCode: number) => Promise.resolve({ stdout: Buffer.from(stdout), stderr: Buffer.alloc(0), exitCode });

describe('runProbe', () => {
  const target = () => ({
    pod,
    container: { name: 'c', ports: [{ name: 'web', containerPort: port }] } satisfies Container,
    containerId: 'id',
    podIp: '127.0.0.1',
  });
  const run = (probe: Probe, exec?: ContainerRuntime['execSync']) => runProbe(runtime(exec), probe, target());

  test('http: success, a bad status, a header, a refused connection, a time-out', async () => {
    answer = 200;
    assert.deepEqual(await run({ httpGet: { port: 'web' } }), { success: true, output: 'body' });
    answer = 500;
    assert.deepEqual(await run({ httpGet: { port } }), { success: false, output: 'HTTP probe failed with statuscode: 500' });
    assert.equal((await run({ httpGet: { port, httpHeaders: [{ name: 'X-Token', value: 'yes' }] } })).success, true);
    assert.deepEqual(await run({ httpGet: { port: 9, path: '/x' } }), {
      success: false,
      output: 'Get "http://127.0.0.1:9/x": dial tcp 127.0.0.1:9: connect: connection refused',
    });
    assert.match((await run({ httpGet: { port, path: '/slow' }, timeoutSeconds: 0.05 })).output, /context deadline exceeded/);
    assert.deepEqual(await run({ httpGet: { port: 'absent' } }), { success: false, output: 'unable to find port by name: absent' });
  });

  test('tcp', async () => {
    assert.deepEqual(await run({ tcpSocket: { port } }), { success: true, output: '' });
    assert.deepEqual(await run({ tcpSocket: { port: 9 } }), {
      success: false,
      output: 'dial tcp 127.0.0.1:9: connect: connection refused',
    });
  });

  test('exec: exit codes, output, expansion, time-out', async () => {
    assert.deepEqual(await run({ exec: { command: ['true'] } }, () => result('', 0)), { success: true, output: '' });
    assert.deepEqual(await run({ exec: { command: ['x'] } }, () => result('broken', 1)), { success: false, output: 'broken' });
    const late = (): Promise<never> => Promise.reject(new RuntimeError('Timeout', 'late'));
    assert.deepEqual(await run({ exec: { command: ['sleep', '9'] } }, late), {
      success: false,
      output: 'command timed out: "sleep 9" timed out after 1s',
    });
  });
});

test('grpc: the health service of a real server', async () => {
  const health = new Server();
  let serving = 1;
  const identity = (buffer: Buffer): Buffer => buffer;
  health.addService(
    {
      Check: {
        path: '/grpc.health.v1.Health/Check',
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    },
    {
      Check: (call: { request: Buffer }, done: (error: object | null, reply?: Buffer) => void) =>
        call.request.length > 0 ? done({ code: codes.NOT_FOUND, details: 'unknown service' }) : done(null, Buffer.from([8, serving])),
    },
  );
  const bound = await new Promise<number>((resolve, reject) =>
    health.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
  );
  assert.deepEqual(await grpcProbe(`127.0.0.1:${bound}`, '', 1000), { success: true, output: 'service healthy' });
  serving = 2;
  assert.deepEqual(await grpcProbe(`127.0.0.1:${bound}`, '', 1000), {
    success: false,
    output: 'service unhealthy (responded with "NOT_SERVING")',
  });
  assert.match((await grpcProbe(`127.0.0.1:${bound}`, 'other', 1000)).output, /unknown service/);
  health.forceShutdown();
});

describe('probe manager', () => {
  const status = (over: Partial<ContainerStatus> = {}): ContainerStatus => ({
    id: 'id',
    sandboxId: 's',
    name: 'c',
    attempt: 0,
    state: 'RUNNING',
    image: '',
    imageRef: '',
    labels: {},
    annotations: {},
    createdAt: 0,
    startedAt: 0,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    logPath: '',
    ...over,
  });
  const exec: Probe = { exec: { command: ['check'] }, periodSeconds: 10 };

  function world(container: Container) {
    const clock = new ManualClock(0);
    const changes: string[] = [];
    const events: string[] = [];
    const healthy = { now: false };
    const manager = createProbeManager({
      runtime: runtime(() => result('sick', healthy.now ? 0 : 1)),
      events: { event: (_about, _type, reason, message) => void events.push(`${reason}: ${message}`) },
      clock,
      changed: (uid) => void changes.push(uid),
    });
    const given: Pod = { ...pod, spec: { containers: [container] } };
    const update = (containers: ContainerStatus[]): void => manager.update(given, { sandboxes: [], containers }, '127.0.0.1');
    return { clock, changes, events, healthy, manager, update };
  }

  test('without probes a container is ready at once and there is no timer', () => {
    const { manager, update } = world({ name: 'c' });
    update([status()]);
    assert.deepEqual([manager.ready('id'), manager.started('id'), manager.failed('id')], [true, true, undefined]);
  });

  test('readiness waits for its delay, turns on, and off after the threshold', async () => {
    const { clock, changes, healthy, manager, update } = world({
      name: 'c',
      readinessProbe: { ...exec, initialDelaySeconds: 5, failureThreshold: 2 },
    });
    update([status()]);
    healthy.now = true;
    await clock.advance(4999);
    assert.equal(manager.ready('id'), false);
    await clock.advance(1);
    assert.deepEqual([manager.ready('id'), changes], [true, ['u']]);
    healthy.now = false;
    await clock.advance(10_000);
    assert.equal(manager.ready('id'), true);
    await clock.advance(10_000);
    assert.deepEqual([manager.ready('id'), changes], [false, ['u', 'u']]);
  });

  test('liveness begins after startup and asks for a restart', async () => {
    const { clock, events, healthy, manager, update } = world({
      name: 'c',
      startupProbe: { ...exec, failureThreshold: 30, periodSeconds: 1 },
      livenessProbe: { ...exec, failureThreshold: 1 },
    });
    update([status()]);
    await clock.advance(0);
    assert.deepEqual([manager.started('id'), manager.ready('id')], [false, false]);
    assert.deepEqual(events, ['Unhealthy: Startup probe failed: sick']);
    healthy.now = true;
    await clock.advance(1000);
    assert.equal(manager.started('id'), true);
    healthy.now = false;
    await clock.advance(10_000);
    assert.equal(manager.failed('id'), 'liveness');
  });

  test('a container that ended is probed no more', async () => {
    const { clock, events, update } = world({ name: 'c', livenessProbe: exec });
    update([status()]);
    update([status({ state: 'EXITED' })]);
    await clock.advance(60_000);
    assert.deepEqual(events, []);
  });
});
