/** A running pod gets other resources, and a debugger: upstream's tutorials on in-place resize and on ephemeral containers. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../../fixtures/machine.ts';
import { tutorialImages } from '../../fixtures/tutorial-images.ts';

const found = await kubectls();
/** `--subresource resize` came with 1.32. */
const kubectl = found.toReversed().find(({ version }) => Number(version.split('.')[1]) >= 32);
const engine = await hasEngine();
const soon = { within: 60_000, every: 200 };

const POD = `
apiVersion: v1
kind: Pod
metadata: {name: resized}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sleep, "1000000"]
    resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
    resources:
      requests: {cpu: 100m, memory: 32Mi}
      limits: {cpu: 200m, memory: 64Mi}
  - name: other
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sleep, "1000000"]
    resources:
      limits: {cpu: 100m, memory: 64Mi}
`;

const get = async (cluster: Cluster, path: string): Promise<string> =>
  (await cluster.kubectl(['get', 'pod', 'resized', '-o', `jsonpath={${path}}`])).stdout;

const patch = (cluster: Cluster, resources: object, name = 'main') =>
  cluster.kubectl(
    ['patch', 'pod', 'resized', '--subresource=resize', '-p', JSON.stringify({ spec: { containers: [{ name, resources }] } })],
    { reject: false },
  );

/** Resolves when the pod has what its spec says. */
async function settled(cluster: Cluster, cpu: string): Promise<void> {
  await eventually(async () => {
    assert.equal(await get(cluster, '.status.containerStatuses[0].resources.limits.cpu'), cpu);
    assert.equal(await get(cluster, '.status.conditions[?(@.type=="PodResizeInProgress")].status'), '');
  }, soon);
}

function resizeStory(cluster: () => Cluster): void {
  it('a pod shows what it was given', async () => {
    await cluster().kubectl(['apply', '-f', '-'], { input: POD });
    await cluster().kubectl(['wait', '--for=condition=Ready', 'pod/resized', '--timeout=60s']);
    assert.equal(await get(cluster(), '.status.containerStatuses[0].allocatedResources.cpu'), '100m');
  });

  it('cpu changes while it runs', async () => {
    const { stdout } = await patch(cluster(), { requests: { cpu: '150m' }, limits: { cpu: '400m' } });
    assert.match(stdout, /pod\/resized patched/);
    await settled(cluster(), '400m');
    assert.equal(await get(cluster(), '.status.containerStatuses[0].restartCount'), '0');
    assert.equal(await get(cluster(), '.metadata.generation'), '2');
    assert.equal(await get(cluster(), '.status.observedGeneration'), '2');
  });

  it('memory changes by a restart, since the pod asks for one', async () => {
    await patch(cluster(), { limits: { memory: '128Mi', cpu: '300m' } });
    await settled(cluster(), '300m');
    await eventually(async () => assert.equal(await get(cluster(), '.status.containerStatuses[0].restartCount'), '1'), soon);
    const { stdout } = await cluster().kubectl(['events', '--for=pod/resized']);
    assert.match(stdout, /ResizeStarted .*\n(.*\n)*.*Container main resize requires restart\n(.*\n)*.*ResizeCompleted/);
  });

  it('refuses what cannot be', async () => {
    const answers: [object, RegExp][] = [
      [
        { requests: { cpu: '1000' }, limits: { cpu: '1000' } },
        /node didn't have enough allocatable resources: cpu, requested: 1000100, allocatable: \d+/,
      ],
      [{ requests: { cpu: '300m', memory: '128Mi' } }, /Pod QOS Class may not change as a result of resizing/],
      [{ limits: { cpu: null } }, /spec\.containers\[0\]\.resources\.limits: Forbidden: resource limits cannot be removed/],
    ];
    for (const [resources, expected] of answers) assert.match((await patch(cluster(), resources)).stderr, expected);
    const plain = await cluster().kubectl(
      ['patch', 'pod', 'resized', '-p', '{"spec":{"containers":[{"name":"main","resources":{"limits":{"cpu":"1"}}}]}}'],
      { reject: false },
    );
    assert.match(plain.stderr, /spec: Forbidden: pod updates may not change fields other than/);
  });

  it('a debugger joins it', async () => {
    const command = ['debug', 'resized', '--image=busybox', '--image-pull-policy=IfNotPresent', '--target=main', '-c', 'look'];
    await cluster().kubectl([...command, '--', 'sh', '-c', 'cat /proc/1/cmdline; echo; echo here']);
    await eventually(async () => {
      assert.match((await cluster().kubectl(['logs', 'resized', '-c', 'look'])).stdout, /here/);
    }, soon);
    assert.equal(await get(cluster(), '.spec.ephemeralContainers[0].targetContainerName'), 'main');
  });
}

describe('resizing on sim', { skip: kubectl ? false : 'this machine has no kubectl of 1.32 or later' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'story-resize', kubectl: kubectl!.path });
  });
  after(() => cluster?.delete());

  resizeStory(() => cluster);
});

describe('resizing real containers', { skip: kubectl ? false : 'this machine has no kubectl of 1.32 or later' }, () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));
  if (!engine) return;

  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'docker', profile: 'story-resize-docker', kubectl: kubectl!.path });
    for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
  });
  after(() => cluster?.delete());

  /** Of the container itself, as it sees it: thousandths of a core, and bytes. */
  const limits = async (container = 'main'): Promise<{ cpu: number; memory: number }> => {
    const look = `cd /sys/fs/cgroup
      if [ -f cpu.max ]; then cat cpu.max memory.max
      else echo $(cat cpu/cpu.cfs_quota_us) $(cat cpu/cpu.cfs_period_us); cat memory/memory.limit_in_bytes; fi`;
    const { stdout } = await cluster.kubectl(['exec', 'resized', '-c', container, '--', 'sh', '-c', look]);
    const [quota, period, memory] = stdout.trim().split(/\s+/).map(Number);
    return { cpu: (quota! * 1000) / period!, memory: memory! };
  };

  resizeStory(() => cluster);

  it('its cgroup has the new limits', async () => {
    assert.deepEqual(await limits(), { cpu: 300, memory: 128 * 2 ** 20 });
    await patch(cluster, { limits: { cpu: '700m' } });
    await settled(cluster, '700m');
    assert.deepEqual(await limits(), { cpu: 700, memory: 128 * 2 ** 20 });
    await patch(cluster, { limits: { cpu: '250m' } });
    await settled(cluster, '250m');
    assert.deepEqual(await limits(), { cpu: 250, memory: 128 * 2 ** 20 });
    assert.equal(await get(cluster, '.status.containerStatuses[0].restartCount'), '1');
  });

  it('memory changes without a restart where nothing asks for one', async () => {
    for (const [memory, bytes] of [
      ['96Mi', 96 * 2 ** 20],
      ['32Mi', 32 * 2 ** 20],
    ] as const) {
      await patch(cluster, { requests: { memory: '16Mi' }, limits: { memory } }, 'other');
      await eventually(async () => assert.deepEqual(await limits('other'), { cpu: 100, memory: bytes }), soon);
    }
    assert.equal(await get(cluster, '.status.containerStatuses[?(@.name=="other")].restartCount'), '0');
  });

  it('a debugger sees the processes of its target', async () => {
    const { stdout } = await cluster.kubectl(['logs', 'resized', '-c', 'look']);
    assert.match(stdout.replaceAll('\0', ' '), /^sleep 1000000 \nhere/);
  });
});
