/** Stories of nodes, told with kubectl on simulated ones: a drain that keeps a disruption budget, and a node that fails. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually, inProgress } from '../../fixtures/eventually.ts';
import { kubectls } from '../../fixtures/machine.ts';

const [kubectl] = await kubectls();
const skip = kubectl ? false : 'this machine has no kubectl';
const soon = { within: 60_000, every: 200 };
const PROFILE = 'story-nodes';

/** Instead of the five minutes that admission gives. */
const briefly = ['not-ready', 'unreachable'].map((what) => ({
  key: `node.kubernetes.io/${what}`,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: 1,
}));

interface PodPlace {
  name: string;
  node: string;
  ready: boolean;
}

describe('the stories of nodes, on sim', { skip }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: PROFILE, kubectl: kubectl!.path, startArgs: ['--sim-nodes', '3'] });
    await joinAndFallSilent();
  });
  after(() => cluster?.delete());

  const run = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout.trim();
  const apply = (manifest: object): Promise<unknown> => cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });

  async function places(): Promise<PodPlace[]> {
    const { items } = JSON.parse(await run('get', 'pods', '-l', 'app=web', '-o', 'json')) as {
      items: {
        metadata: { name: string; deletionTimestamp?: string };
        spec: { nodeName?: string };
        status: { conditions?: { type: string; status: string }[] };
      }[];
    };
    const isReady = (conditions: { type: string; status: string }[] = []): boolean =>
      conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    return items
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .map(({ metadata, spec, status }) => ({ name: metadata.name, node: spec.nodeName ?? '', ready: isReady(status.conditions) }));
  }

  const allReady = (count: number, check: (pods: PodPlace[]) => void = () => undefined): Promise<PodPlace[]> =>
    eventually(async () => {
      const pods = await places();
      assert.deepEqual([pods.length, pods.filter(({ ready }) => ready).length], [count, count]);
      check(pods);
      return pods;
    }, soon);

  /** A node that says once that it is ready, gets a pod, and is never heard of again. Its grace period goes by while the other stories are told. */
  async function joinAndFallSilent(): Promise<void> {
    await apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'silent', labels: { role: 'silent' } } });
    const room = { cpu: '4', memory: '4Gi', pods: '10' };
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: new Date().toISOString() };
    const status = { capacity: room, allocatable: room, conditions: [ready] };
    await run('patch', 'node', 'silent', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }));
    await eventually(async () => assert.equal(await run('get', 'node', 'silent', '-o', 'jsonpath={.spec.taints}'), ''), soon);
    const preference = { matchExpressions: [{ key: 'role', operator: 'In', values: ['silent'] }] };
    const affinity = { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference }] } };
    const spec = { affinity, tolerations: briefly, containers: [{ name: 'main', image: 'nginx:latest' }] };
    const labels = { app: 'kept' };
    const template = { metadata: { labels }, spec };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'kept' },
      spec: { selector: { matchLabels: labels }, template },
    });
    await eventually(
      async () => assert.equal(await run('get', 'pods', '-l', 'app=kept', '-o', 'jsonpath={.items[*].spec.nodeName}'), 'silent'),
      soon,
    );
  }

  it('a drained node is empty, and never are more pods missing than the budget spares', async () => {
    const labels = { app: 'web' };
    const spread = [
      { maxSkew: 1, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: labels } },
    ];
    const container = { name: 'web', image: 'nginx:latest' };
    const spec = { containers: [container], terminationGracePeriodSeconds: 1, topologySpreadConstraints: spread, tolerations: briefly };
    await apply({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 8, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    });
    await run('create', 'poddisruptionbudget', 'web', '--selector=app=web', '--max-unavailable=1');
    const [chosen] = (await allReady(8)).map(({ node }) => node).filter((node) => node !== PROFILE);
    await eventually(async () => assert.equal(await run('get', 'pdb', 'web', '-o', 'jsonpath={.status.disruptionsAllowed}'), '1'), soon);

    const drain = run('drain', chosen!, '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=60s');
    const draining = inProgress(drain);
    let fewest = 8;
    while (draining()) fewest = Math.min(fewest, (await places()).filter(({ ready }) => ready).length);
    assert.match(await drain, /drained/);
    assert.ok(fewest >= 7, `only ${fewest} of 8 pods were left at a time`);
    await allReady(8, (pods) => assert.ok(pods.every(({ node }) => node !== chosen)));
    assert.match(await run('get', 'node', chosen!), /SchedulingDisabled/);

    // A budget without room refuses.
    await run('patch', 'pdb', 'web', '--type=merge', '-p', '{"spec":{"maxUnavailable":0}}');
    await eventually(async () => assert.equal(await run('get', 'pdb', 'web', '-o', 'jsonpath={.status.disruptionsAllowed}'), '0'), soon);
    const other = (await places()).map(({ node }) => node).find((node) => node !== PROFILE)!;
    const refused = await cluster.kubectl(['drain', other, '--ignore-daemonsets', '--timeout=1s'], { reject: false });
    assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
    await run('uncordon', chosen!, other);
    await run('delete', 'pdb', 'web');
  });

  it('pods leave a node that they tolerate no longer, and come up elsewhere', async () => {
    const victim = (await allReady(8)).map(({ node }) => node).find((node) => node !== PROFILE)!;
    await run('taint', 'node', victim, 'maintenance=now:NoExecute');
    await allReady(8, (pods) => assert.ok(pods.every(({ node }) => node !== victim)));
    assert.match(await run('get', 'events', '--field-selector', 'reason=TaintManagerEviction'), /Marking for deletion Pod default\/web-/);
    await run('taint', 'node', victim, 'maintenance-');
    await run('delete', 'deployment', 'web');
  });

  it('a node that is silent for its grace period is NotReady, and its pods are replaced elsewhere', async () => {
    const patient = { within: 120_000, every: 500 };
    await eventually(async () => assert.match(await run('get', 'node', 'silent', '--no-headers'), /^silent +NotReady /), patient);
    const described = await run('describe', 'node', 'silent');
    assert.match(described, /Ready +Unknown .*NodeStatusUnknown +Kubelet stopped posting node status\./);
    assert.match(described, /node.kubernetes.io\/unreachable:NoExecute/);
    await run('rollout', 'status', 'deployment/kept', '--timeout=60s');
    const there = await run(
      'get',
      'pods',
      '-l',
      'app=kept',
      '-o',
      'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.deletionTimestamp}{"\\n"}{end}',
    );
    assert.match(there, /^silent 2/m, 'nobody can end the pod of a node that is silent');
    assert.match(there, /^story-nodes\S*\s*$/m);

    // Who knows that the node will not come back takes it away, and with it what was left of its pods.
    await run('delete', 'node', 'silent');
    await eventually(async () => assert.doesNotMatch(await run('get', 'pods', '-l', 'app=kept', '-o', 'wide'), /silent/), patient);
  });
});
