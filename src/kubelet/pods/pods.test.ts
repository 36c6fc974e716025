import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import type { Container, ContainerStatus, Pod, PodSpec } from '../../api/types.gen.ts';
import { ManualClock } from '../../lib/clock.ts';
import { Backoff } from '../containers/backoff.ts';
import { createCgroups } from './cgroups.ts';
import { parseResolvConf, podDns } from './dns.ts';
import { podPhase } from './phase.ts';
import { cpuQuota, cpuShares, oomScoreAdjust, qosClass } from './qos.ts';
import { podHostname } from './sandbox-config.ts';

const main: Container = { name: 'main', image: 'x' };
const pod = (spec: Partial<PodSpec> = {}): Pod => ({
  metadata: { name: 'web-0', namespace: 'shop', uid: 'u1' },
  spec: { containers: [main], ...spec },
});
const withResources = (...resources: NonNullable<Container['resources']>[]): Pod =>
  pod({ containers: resources.map((one, i) => ({ name: `c${i}`, resources: one })) });

describe('qosClass', () => {
  const cases: [string, Pod, string][] = [
    ['nothing', withResources({}), 'BestEffort'],
    ['a request', withResources({ requests: { cpu: '1' } }), 'Burstable'],
    ['limits of both', withResources({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed'],
    [
      'equal requests in another notation',
      withResources({ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } }),
      'Guaranteed',
    ],
    ['one container without', withResources({ limits: { cpu: '1', memory: '1Gi' } }, {}), 'Burstable'],
    ['only memory', withResources({ limits: { memory: '1Gi' } }), 'Burstable'],
  ];
  for (const [name, given, expected] of cases) test(name, () => assert.equal(qosClass(given), expected));

  test('shares, quota and oom score', () => {
    assert.deepEqual([0, 1, 250, 1000].map(cpuShares), [2, 2, 256, 1024]);
    assert.deepEqual([5, 500].map(cpuQuota), [1000, 50_000]);
    const of = (given: Pod): number => oomScoreAdjust(given, given.spec!.containers[0]!, 4 * 2 ** 30);
    assert.equal(of(withResources({})), 1000);
    assert.equal(of(withResources({ limits: { cpu: '1', memory: '1Gi' } })), -997);
    assert.equal(of(withResources({ requests: { memory: '1Gi' } })), 750);
  });
});

describe('podDns', () => {
  const settings = {
    ip: '10.96.0.10',
    domain: 'cluster.local',
    host: { servers: ['1.1.1.1'], searches: ['home'], options: ['timeout:1'] },
  };
  test('ClusterFirst', () => {
    assert.deepEqual(podDns(pod(), settings), {
      servers: ['10.96.0.10'],
      searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'home'],
      options: ['ndots:5'],
    });
  });
  test("Default, and ClusterFirst on the host network, use the node's", () => {
    assert.deepEqual(podDns(pod({ dnsPolicy: 'Default' }), settings), settings.host);
    assert.deepEqual(podDns(pod({ hostNetwork: true }), settings), settings.host);
    assert.deepEqual(podDns(pod({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }), settings).servers, ['10.96.0.10']);
  });
  test('dnsConfig adds, and replaces options by name', () => {
    const dnsConfig = {
      nameservers: ['8.8.8.8', '10.96.0.10'],
      searches: ['a.test'],
      options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
    };
    assert.deepEqual(podDns(pod({ dnsPolicy: 'None', dnsConfig }), settings), {
      servers: ['8.8.8.8', '10.96.0.10'],
      searches: ['a.test'],
      options: ['ndots:1', 'edns0'],
    });
    assert.deepEqual(podDns(pod({ dnsConfig }), settings).options, ['ndots:1', 'edns0']);
  });
  test('resolv.conf', () => {
    const text = '# by hand\nnameserver 1.1.1.1\nnameserver 2.2.2.2 # second\nsearch old\nsearch a b .\noptions edns0 timeout:2\n';
    assert.deepEqual(parseResolvConf(text), { servers: ['1.1.1.1', '2.2.2.2'], searches: ['a', 'b'], options: ['edns0', 'timeout:2'] });
  });
});

test('podHostname', () => {
  assert.equal(podHostname(pod(), 'cluster.local'), 'web-0');
  assert.equal(podHostname(pod({ hostname: 'h', subdomain: 's', setHostnameAsFQDN: true }), 'cluster.local'), 'h.s.shop.svc.cluster.local');
  assert.equal(podHostname({ ...pod(), metadata: { name: `${'a'.repeat(62)}-b` } }, 'cluster.local').length, 62);
});

describe('podPhase', () => {
  const ended = (exitCode: number): ContainerStatus['state'] => ({ terminated: { exitCode } });
  const running = { running: {} };
  const waiting = { waiting: { reason: 'x' } };
  const status = (state: ContainerStatus['state'], lastState: ContainerStatus['lastState'] = {}): ContainerStatus => ({
    name: 'c',
    image: '',
    imageID: '',
    ready: false,
    restartCount: 0,
    state,
    lastState,
  });
  const cases: {
    name: string;
    spec?: Partial<PodSpec>;
    init?: ContainerStatus[];
    app: ContainerStatus[];
    ending?: boolean;
    expected: string;
  }[] = [
    { name: 'waiting', app: [status(waiting)], expected: 'Pending' },
    { name: 'running', app: [status(running)], expected: 'Running' },
    { name: 'in back-off', app: [status(waiting, ended(1))], expected: 'Running' },
    { name: 'ended, to be restarted', app: [status(ended(0))], expected: 'Running' },
    { name: 'succeeded', spec: { restartPolicy: 'Never' }, app: [status(ended(0))], expected: 'Succeeded' },
    { name: 'failed', spec: { restartPolicy: 'Never' }, app: [status(ended(1))], expected: 'Failed' },
    { name: 'failed, but tried again', spec: { restartPolicy: 'OnFailure' }, app: [status(ended(1))], expected: 'Running' },
    { name: 'init under way', spec: { initContainers: [main] }, init: [status(running)], app: [status(waiting)], expected: 'Pending' },
    {
      name: 'init failed for good',
      spec: { initContainers: [main], restartPolicy: 'Never' },
      init: [status(ended(1))],
      app: [status(waiting)],
      expected: 'Failed',
    },
    { name: 'ended before it ran', app: [status(waiting)], ending: true, expected: 'Failed' },
    { name: 'deleted after success', app: [status(ended(0))], ending: true, expected: 'Succeeded' },
  ];
  for (const { name, spec, init = [], app, ending = false, expected } of cases) {
    test(name, () => assert.equal(podPhase(pod({ restartPolicy: 'Always', ...spec }), init, app, ending), expected));
  }
});

test('Backoff doubles to five minutes and forgets after ten quiet ones', async () => {
  const clock = new ManualClock(0);
  const backoff = new Backoff(clock);
  const texts: string[] = [];
  for (let i = 0; i < 7; i++) {
    backoff.next('k');
    texts.push(backoff.delayText('k'));
  }
  assert.deepEqual(texts, ['10s', '20s', '40s', '1m20s', '2m40s', '5m0s', '5m0s']);
  assert.equal(backoff.remainingSinceUpdate('k'), 300_000);
  await clock.advance(300_000);
  assert.equal(backoff.remainingSinceUpdate('k'), 0);
  await clock.advance(400_000);
  backoff.next('k');
  assert.equal(backoff.delayText('k'), '10s');
});

describe('cgroups', () => {
  test('version 2: controllers enabled down the path, limits written, removed again', async () => {
    const root = await mkdtemp(path.join(tmpdir(), 'rockpool-cgroup-'));
    const level = async (folder: string): Promise<void> => {
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, 'cgroup.controllers'), 'cpu memory pids\n');
      await writeFile(path.join(folder, 'cgroup.subtree_control'), '');
    };
    const own = path.join(root, 'kubepods/burstable/podu1');
    for (const folder of [root, path.join(root, 'kubepods'), path.join(root, 'kubepods/burstable')]) await level(folder);
    await mkdir(own);
    for (const file of ['cpu.weight', 'cpu.max', 'memory.max']) await writeFile(path.join(own, file), '');
    const cgroups = createCgroups({ root });
    assert.equal(
      await cgroups.create(withResources({ requests: { cpu: '1' }, limits: { cpu: '2', memory: '64Mi' } })),
      '/kubepods/burstable/podu1',
    );
    assert.equal(await readFile(path.join(root, 'kubepods/cgroup.subtree_control'), 'utf8'), '+cpu +memory +pids');
    const written = await Promise.all(['cpu.weight', 'cpu.max', 'memory.max'].map((file) => readFile(path.join(own, file), 'utf8')));
    assert.deepEqual(written, ['39', '200000 100000', '67108864']);
    const before = withResources({ requests: { cpu: '2' }, limits: { cpu: '2', memory: '32Mi' } });
    await cgroups.create(withResources({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '64Mi' } }), { before });
    const widest = await Promise.all(['cpu.weight', 'cpu.max', 'memory.max'].map((file) => readFile(path.join(own, file), 'utf8')));
    assert.deepEqual(widest, ['79', '200000 100000', '67108864'], 'while containers change from one to the other');
    for (const file of ['cpu.weight', 'cpu.max', 'memory.max']) await rm(path.join(own, file));
    await cgroups.remove('u1');
    assert.equal(existsSync(own), false);
    await rm(root, { recursive: true });
  });
});
