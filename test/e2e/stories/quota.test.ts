/** The story of a shared cluster, told with kubectl on sim: a quota bounds a namespace, and limits fill in what its users do not say. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { kubectls } from '../../fixtures/machine.ts';

const [kubectl] = await kubectls();
const soon = { within: 60_000, every: 200 };

describe('the story of quota and limits, on sim', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'story-quota', kubectl: kubectl!.path });
    await cluster.kubectl(['create', 'namespace', 'team']);
  });
  after(() => cluster?.delete());
  const run = async (...args: string[]): Promise<string> => (await cluster.kubectl(['-n', 'team', ...args])).stdout.trim();
  const apply = (manifest: object): Promise<unknown> =>
    cluster.kubectl(['-n', 'team', 'apply', '-f', '-'], { input: JSON.stringify(manifest) });

  it('a pod that says nothing of its needs is refused where they are counted, until limits give it some', async () => {
    await run('create', 'quota', 'few', '--hard=pods=3,requests.cpu=1,limits.memory=1Gi');
    await eventually(async () => assert.match(await run('describe', 'quota', 'few'), /pods +0 +3/), soon);
    const { stderr } = await cluster.kubectl(['-n', 'team', 'run', 'greedy', '--image=nginx:latest'], { reject: false });
    assert.match(stderr, /forbidden: failed quota: few: must specify limits.memory for: greedy; requests.cpu for: greedy/);
    const limits = [
      { type: 'Container', default: { memory: '128Mi' }, defaultRequest: { cpu: '100m' }, max: { cpu: '500m', memory: '256Mi' } },
    ];
    await apply({ apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'modest' }, spec: { limits } });
    await run('run', 'modest', '--image=nginx:latest');
    assert.equal(await run('get', 'pod', 'modest', '-o', 'jsonpath={.spec.containers[0].resources.requests.cpu}'), '100m');
    await eventually(
      async () => assert.match(await run('describe', 'quota', 'few'), /limits.memory +128Mi +1Gi\npods +1 +3\nrequests.cpu +100m +1/),
      soon,
    );
  });

  it('what is over the limit or the quota is refused, and the Deployment says why', async () => {
    const container = { name: 'main', image: 'nginx:latest', resources: { limits: { cpu: '2' } } };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'huge' }, spec: { containers: [container] } };
    const { stderr } = await cluster.kubectl(['-n', 'team', 'apply', '-f', '-'], { input: JSON.stringify(pod), reject: false });
    assert.match(stderr, /maximum cpu usage per Container is 500m, but limit is 2/);
    await run('create', 'deployment', 'web', '--image=nginx:latest', '--replicas=4');
    await eventually(async () => assert.match(await run('get', 'deployment', 'web', '--no-headers'), /^web +2\/4 /), soon);
    assert.match(await run('describe', 'deployment', 'web'), /ReplicaFailure +True +FailedCreate/);
    assert.match(
      await run('get', 'events', '--field-selector', 'reason=FailedCreate'),
      /exceeded quota: few, requested: pods=1, used: pods=3, limited: pods=3/,
    );
  });

  it('room that is given back is used', async () => {
    await run('delete', 'pod', 'modest', '--now');
    await eventually(async () => assert.match(await run('get', 'deployment', 'web', '--no-headers'), /^web +3\/4 /), soon);
    await run('patch', 'quota', 'few', '--type=merge', '-p', '{"spec":{"hard":{"pods":"9"}}}');
    await run('rollout', 'status', 'deployment/web', '--timeout=60s');
  });
});
