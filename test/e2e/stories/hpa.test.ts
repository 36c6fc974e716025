/** A Deployment that grows under load and shrinks without: upstream's walkthrough of the horizontal pod autoscaler, and `kubectl top`. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../../fixtures/machine.ts';
import { tutorialImages } from '../../fixtures/tutorial-images.ts';

const [kubectl] = await kubectls();
/** Newer kubectls deprecate the older flag. */
const cpuFlag = (percent: number): string =>
  Number(kubectl!.version.split('.')[1]) >= 34 ? `--cpu=${percent}%` : `--cpu-percent=${percent}`;
const soon = { within: 90_000, every: 500 };
const skip = kubectl ? false : 'this machine has no kubectl';

const get = async (cluster: Cluster, ...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout.trim();

/** Thousandths of a core of the pods that the selector finds, as `kubectl top` shows them. */
async function topPods(cluster: Cluster, selector: string): Promise<number[]> {
  const text = await get(cluster, 'top', 'pods', '-l', selector, '--no-headers');
  return text.split('\n').map((line) => Number(/ (\d+)m /.exec(line)?.[1]));
}

async function specReplicas(cluster: Cluster, deployment: string): Promise<number> {
  return Number(await get(cluster, 'get', 'deployment', deployment, '-o', 'jsonpath={.spec.replicas}'));
}

describe('an autoscaler under load, on sim', { skip }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'story-hpa', kubectl: kubectl!.path });
    await cluster.rockpool(['addons', 'enable', 'metrics-server']);
  });
  after(() => cluster?.delete());

  it('the metrics API answers for nodes, pods and containers', async () => {
    await cluster.kubectl(['create', 'deployment', 'php-apache', '--image=registry.k8s.io/hpa-example']);
    await cluster.kubectl(['set', 'resources', 'deployment', 'php-apache', '--requests=cpu=200m', '--limits=cpu=500m']);
    await cluster.kubectl(['expose', 'deployment', 'php-apache', '--port=80']);
    await cluster.kubectl(['rollout', 'status', 'deployment/php-apache', '--timeout=60s']);
    assert.match(await get(cluster, 'top', 'nodes'), /^NAME +CPU\(cores\).*\nstory-hpa +\d+m +\d+% +\d+Mi +\d+%/);
    await eventually(async () => {
      assert.match(await get(cluster, 'top', 'pods', '--containers'), /php-apache-\S+ +hpa-example +\d+m +\d+Mi/);
    }, soon);
    assert.match(await get(cluster, 'get', 'apiservice', 'v1beta1.metrics.k8s.io'), /True/);
    assert.match(await get(cluster, 'get', 'podmetrics'), /^NAME +CPU +MEMORY +WINDOW\nphp-apache-/);
  });

  it('load makes it grow', async () => {
    const loop = 'while sleep 0.01; do wget -q -O- http://php-apache; done';
    await cluster.kubectl(['run', 'load-generator', '--image=busybox:1.28', '--restart=Never', '--', '/bin/sh', '-c', loop]);
    await eventually(async () => assert.ok((await topPods(cluster, 'app=php-apache'))[0]! > 200), soon);
    await cluster.kubectl(['autoscale', 'deployment', 'php-apache', cpuFlag(50), '--min=1', '--max=10']);
    await eventually(async () => assert.ok((await specReplicas(cluster, 'php-apache')) >= 4), soon);
    assert.match(
      await get(cluster, 'get', 'hpa', 'php-apache', '--no-headers'),
      /^php-apache +Deployment\/php-apache +cpu: \d+%\/50% +1 +10 +\d+ /,
    );
    await eventually(async () => {
      const described = await get(cluster, 'describe', 'hpa', 'php-apache');
      assert.match(
        described,
        /SuccessfulRescale .* horizontal-pod-autoscaler +New size: 4; reason: cpu resource utilization \(percentage of request\) above target/,
      );
      assert.match(described, /ScalingActive +True +ValidMetricFound/);
    }, soon);
  });

  it('without load it shrinks again', async () => {
    await cluster.kubectl(['delete', 'pod', 'load-generator', '--now']);
    // Five minutes of patience are the default.
    const patch = { spec: { behavior: { scaleDown: { stabilizationWindowSeconds: 0 } } } };
    await cluster.kubectl(['patch', 'hpa', 'php-apache', '--type=merge', '-p', JSON.stringify(patch)]);
    await eventually(async () => assert.equal(await specReplicas(cluster, 'php-apache'), 1), soon);
    await eventually(async () => {
      assert.match(await get(cluster, 'describe', 'hpa', 'php-apache'), /New size: 1; reason: All metrics below target/);
    }, soon);
  });

  it('an annotation says what a simulated pod uses', async () => {
    await cluster.kubectl(['delete', 'hpa', 'php-apache']);
    await cluster.kubectl(['annotate', 'pods', '-l', 'app=php-apache', 'rockpool.dev/cpu=300m', 'rockpool.dev/memory=200Mi']);
    await eventually(async () => {
      assert.match(await get(cluster, 'top', 'pods', '-l', 'app=php-apache', '--no-headers'), / (299|30\d)m +200Mi/);
    }, soon);
  });

  it('switched off, the metrics API is gone', async () => {
    await cluster.rockpool(['addons', 'disable', 'metrics-server']);
    const { stderr, exitCode } = await cluster.kubectl(['top', 'nodes'], { reject: false });
    assert.equal(exitCode, 1);
    assert.match(stderr, /Metrics API not available/);
  });
});

describe('an autoscaler under load, on docker', { skip }, () => {
  let cluster: Cluster | undefined;
  after(() => cluster?.delete());

  it('real containers in a busy loop are too many for one', async (context) => {
    if (!(await hasEngine())) return void (await needsEngine(context));
    cluster = await startCluster({ driver: 'docker', profile: 'story-hpa-docker', kubectl: kubectl!.path });
    for (const archive of await tutorialImages(['busybox'])) await cluster.rockpool(['image', 'load', archive]);
    await cluster.rockpool(['addons', 'enable', 'metrics-server']);
    await cluster.kubectl(['create', 'deployment', 'busy', '--image=busybox', '--', 'sh', '-c', 'while :; do :; done']);
    await cluster.kubectl(['set', 'resources', 'deployment', 'busy', '--requests=cpu=50m', '--limits=cpu=100m']);
    await cluster.kubectl(['rollout', 'status', 'deployment/busy', '--timeout=60s']);
    await eventually(async () => assert.ok((await topPods(cluster!, 'app=busy')).some((milli) => milli >= 80 && milli <= 130)), soon);
    assert.match(await get(cluster, 'top', 'nodes', '--no-headers'), /^story-hpa-docker +\d+m +\d+% +\d+Mi +\d+%/);
    await cluster.kubectl(['autoscale', 'deployment', 'busy', cpuFlag(100), '--min=1', '--max=2']);
    await eventually(async () => assert.equal(await specReplicas(cluster!, 'busy'), 2), soon);
  });
});
