import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { containerdMissing, startContainerd, type TestContainerd } from '../../../../test/fixtures/containerd.ts';
import { type ContainerConfig, type PodSandboxConfig, RuntimeError } from '../runtime.ts';

describe('CRI against a real containerd', { skip: containerdMissing() ?? false }, () => {
  let containerd: TestContainerd;
  let logs: string;

  before(async () => {
    containerd = await startContainerd({ subnet: '10.199.1.0/24' });
    logs = await mkdtemp(path.join(tmpdir(), 'rockpool-cri-'));
  });
  after(async () => {
    await containerd.close();
    await rm(logs, { recursive: true });
  });

  test('reports its version and that it is ready', async () => {
    const version = await containerd.runtime.version();
    assert.equal(version.runtimeName, 'containerd');
    assert.match(version.runtimeVersion, /^v?\d/);
    const status = await containerd.runtime.status();
    assert.equal(status.runtimeReady, true);
    assert.equal(status.networkReady, true, status.message);
  });

  test('imported images, docker and OCI form, are there under their full names', async () => {
    const images = await containerd.runtime.listImages();
    assert.deepEqual(images.flatMap((image) => image.tags).toSorted(), ['docker.io/library/busybox:latest', 'rockpool.dev/pause:1']);
    assert.equal(await containerd.runtime.imageStatus('docker.io/library/absent:1'), undefined);
  });

  test('runs a container to its end and keeps its log and exit code', async () => {
    const { runtime } = containerd;
    const sandboxConfig = sandbox('one', { logDirectory: logs, cgroupParent: containerd.cgroupParent });
    const sandboxId = await runtime.runPodSandbox(sandboxConfig);
    const status = await runtime.podSandboxStatus(sandboxId);
    assert.match(status?.ips[0] ?? '', /^10\.199\.1\./);
    const id = await runtime.createContainer(sandboxId, container(['sh', '-c', 'echo hello $WHO; exit 3']), sandboxConfig);
    await runtime.startContainer(id);
    await runtime.stopContainer(id, 5);
    const ended = await runtime.containerStatus(id);
    assert.equal(ended?.state, 'EXITED');
    assert.equal(ended.exitCode, 3);
    assert.equal(ended.attempt, 2);
    assert.match(await readFile(path.join(logs, 'main/2.log'), 'utf8'), /stdout F hello world\n/);
    await runtime.stopPodSandbox(sandboxId);
    await runtime.removePodSandbox(sandboxId);
    await runtime.removePodSandbox(sandboxId);
    assert.equal(await runtime.podSandboxStatus(sandboxId), undefined);
  });

  test('execSync gives output, exit code and a typed timeout; exec gives a URL', async () => {
    const { runtime } = containerd;
    const sandboxConfig = sandbox('two', { logDirectory: logs, cgroupParent: containerd.cgroupParent });
    const sandboxId = await runtime.runPodSandbox(sandboxConfig);
    const id = await runtime.createContainer(sandboxId, container(['sleep', '1000']), sandboxConfig);
    await runtime.startContainer(id);
    const result = await runtime.execSync(id, ['sh', '-c', 'echo out; echo err >&2; exit 7'], 10);
    assert.deepEqual([result.stdout.toString(), result.stderr.toString(), result.exitCode], ['out\n', 'err\n', 7]);
    await assert.rejects(runtime.execSync(id, ['sleep', '100'], 1), (error) => error instanceof RuntimeError && error.code === 'Timeout');
    const target = await runtime.exec(id, { command: ['true'], stdin: false, stdout: true, stderr: true, tty: false });
    assert.ok(target.kind === 'redirect');
    assert.match(target.url, /^http:\/\/127\.0\.0\.1:\d+\/exec\//);
    await runtime.stopContainer(id, 0);
    assert.equal((await runtime.containerStatus(id))?.exitCode, 137);
    await runtime.removePodSandbox(sandboxId);
  });

  test("a pull that cannot work fails with the runtime's own words", async () => {
    await assert.rejects(
      containerd.runtime.pullImage('127.0.0.1:1/none:1', {}),
      (error) => error instanceof RuntimeError && /failed to pull and unpack image/.test(error.message),
    );
  });
});

function sandbox(name: string, { logDirectory, cgroupParent }: { logDirectory: string; cgroupParent: string }): PodSandboxConfig {
  return {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    attempt: 0,
    hostname: name,
    labels: { 'io.kubernetes.pod.uid': `uid-${name}` },
    annotations: {},
    logDirectory,
    dns: { servers: ['10.96.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
    portMappings: [],
    cgroupParent: `/${cgroupParent}`,
    sysctls: {},
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    shareProcessNamespace: false,
    privileged: false,
    supplementalGroups: [],
  };
}

function container(command: string[]): ContainerConfig {
  return {
    name: 'main',
    attempt: 2,
    image: 'docker.io/library/busybox:latest',
    userImage: 'busybox',
    command,
    args: [],
    workingDir: '',
    env: [{ name: 'WHO', value: 'world' }],
    mounts: [],
    devices: [],
    labels: {},
    annotations: {},
    logPath: 'main/2.log',
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { cpuShares: 2 },
    security: {
      privileged: false,
      capabilitiesAdd: [],
      capabilitiesDrop: [],
      readonlyRootfs: false,
      noNewPrivs: false,
      maskedPaths: [],
      readonlyPaths: [],
      supplementalGroups: [],
    },
  };
}
