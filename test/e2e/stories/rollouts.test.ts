/** The tutorials' stories of Deployments, told with kubectl: scaling, rolling update and rollback with history, pausing, canary and blue/green. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../../fixtures/cluster.ts';
import { eventually, inProgress } from '../../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../../fixtures/machine.ts';
import { tutorialImages } from '../../fixtures/tutorial-images.ts';

const [kubectl] = await kubectls();
const skip = kubectl ? false : 'this machine has no kubectl';
const soon = { within: 60_000, every: 200 };

/** A web server whose page is the value of VERSION. */
function shop(
  name: string,
  { version, replicas, labels = {} }: { version: string; replicas: number; labels?: Record<string, string> },
): string {
  const all = { app: 'shop', ...labels };
  const serve = 'echo $VERSION > /usr/share/nginx/html/index.html && exec nginx -g "daemon off;"';
  const container = {
    name: 'web',
    image: 'nginx:latest',
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', serve],
    env: [{ name: 'VERSION', value: version }],
    ports: [{ containerPort: 80 }],
    readinessProbe: { httpGet: { path: '/', port: 80 }, periodSeconds: 1 },
    // It serves on until everybody has heard that it goes.
    lifecycle: { preStop: { sleep: { seconds: 2 } } },
  };
  const spec = { terminationGracePeriodSeconds: 5, containers: [container] };
  const template = { metadata: { labels: all }, spec };
  return JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: all },
    spec: { replicas, selector: { matchLabels: all }, template },
  });
}

const service = (selector: Record<string, string>): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop' },
    spec: { selector, ports: [{ port: 80, targetPort: 80 }] },
  });

function stories(driver: 'sim' | 'docker'): void {
  let cluster: Cluster | undefined;
  const run = async (...args: string[]): Promise<string> => (await cluster!.kubectl(args)).stdout.trim();
  const apply = (manifest: string): Promise<unknown> => cluster!.kubectl(['apply', '-f', '-'], { input: manifest });
  const rolledOut = (name: string): Promise<string> => run('rollout', 'status', `deployment/${name}`, '--timeout=60s');
  /** Which versions answer through the Service, asked `times` times. */
  const answers = async (times: number): Promise<string[]> => {
    const seen = new Set<string>();
    for (let i = 0; i < times; i++) seen.add(await run('get', '--raw', '/api/v1/namespaces/default/services/shop:80/proxy/'));
    return [...seen].map((text) => text.trim()).toSorted();
  };
  const only = (version: string): Promise<void> => eventually(async () => assert.deepEqual(await answers(4), [version]), soon);
  before(async () => {
    if (driver === 'docker' && !(await hasEngine())) return;
    cluster = await startCluster({ driver, profile: `story-rollouts-${driver}`, kubectl: kubectl!.path });
    if (driver === 'docker') for (const archive of await tutorialImages(['nginx'])) await cluster.rockpool(['image', 'load', archive]);
  });
  after(() => cluster?.delete());
  const story = (title: string, tell: () => Promise<void>): void =>
    void it(title, async (context) => {
      if (driver === 'docker' && !(await hasEngine())) return void (await needsEngine(context));
      await tell();
    });

  story('a rolling update never stops serving, its history tells why, and a rollback brings the old version back', async () => {
    await apply(shop('shop', { version: 'v1', replicas: 3 }));
    await apply(service({ app: 'shop' }));
    await run('annotate', 'deployment/shop', 'kubernetes.io/change-cause=the first version');
    await rolledOut('shop');
    await only('v1');
    await run('set', 'env', 'deployment/shop', 'VERSION=v2');
    await run('annotate', 'deployment/shop', 'kubernetes.io/change-cause=the second version', '--overwrite');
    const rollout = rolledOut('shop');
    const rollingOut = inProgress(rollout);
    while (rollingOut()) for (const version of await answers(1)) assert.match(version, /^v[12]$/);
    assert.match(await rollout, /successfully rolled out/);
    await only('v2');
    assert.match(await run('rollout', 'history', 'deployment/shop'), /\n1 +the first version\n2 +the second version/);
    assert.match(await run('rollout', 'history', 'deployment/shop', '--revision=1'), /VERSION:\s+v1/);
    await run('rollout', 'undo', 'deployment/shop');
    await rolledOut('shop');
    await only('v1');
    assert.match(await run('rollout', 'history', 'deployment/shop'), /\n2 +the second version\n3 +the first version/);
    await run('rollout', 'undo', 'deployment/shop', '--to-revision=2');
    await rolledOut('shop');
    await only('v2');
  });

  story('a canary gets its share of the traffic by a common label', async () => {
    await apply(shop('canary', { version: 'v3', replicas: 1, labels: { track: 'canary' } }));
    await rolledOut('canary');
    await eventually(async () => assert.deepEqual(await answers(12), ['v2', 'v3']), soon);
    await run('delete', 'deployment', 'canary');
    await only('v2');
  });

  story('blue and green stand side by side, and the selector switches all traffic at once', async () => {
    for (const [slot, version] of [
      ['blue', 'v4'],
      ['green', 'v5'],
    ] as const) {
      await apply(shop(slot, { version, replicas: 2, labels: { slot } }));
      await rolledOut(slot);
    }
    await apply(service({ app: 'shop', slot: 'blue' }));
    await only('v4');
    await run('patch', 'service', 'shop', '-p', '{"spec":{"selector":{"slot":"green"}}}');
    await only('v5');
    await run('patch', 'service', 'shop', '-p', '{"spec":{"selector":{"slot":"blue"}}}');
    await only('v4');
    await run('delete', 'deployment', 'blue', 'green');
  });
  if (driver === 'docker') return;

  story('a Deployment grows and shrinks', async () => {
    await run('scale', 'deployment/shop', '--replicas=6');
    await rolledOut('shop');
    assert.match(await run('get', 'deployment', 'shop', '--no-headers'), /^shop +6\/6 +6 +6 /);
    const { stderr, exitCode } = await cluster!.kubectl(['scale', 'deployment/shop', '--current-replicas=5', '--replicas=9'], {
      reject: false,
    });
    assert.deepEqual([exitCode, /Expected replicas to be 5, was 6/.test(stderr)], [1, true]);
    await run('scale', 'deployment/shop', '--replicas=0');
    await run('wait', '--for=delete', 'pod', '-l', 'app=shop', '--timeout=60s');
    await run('scale', 'deployment/shop', '--replicas=2');
    await rolledOut('shop');
    assert.match(await run('describe', 'deployment', 'shop'), /Replicas: +2 desired \| 2 updated \| 2 total \| 2 available/);
  });

  story('changes to a paused Deployment are one rollout when it is resumed', async () => {
    const revisions = async (): Promise<number> => (await run('get', 'replicasets', '-l', 'app=shop', '-o', 'name')).split('\n').length;
    const before = await revisions();
    await run('rollout', 'pause', 'deployment/shop');
    await run('set', 'env', 'deployment/shop', 'VERSION=v6');
    await run('set', 'resources', 'deployment/shop', '--limits=memory=64Mi');
    await eventually(async () => assert.match(await run('describe', 'deployment', 'shop'), /Progressing +Unknown +DeploymentPaused/), soon);
    assert.equal(await revisions(), before);
    const { stderr } = await cluster!.kubectl(['rollout', 'undo', 'deployment/shop'], { reject: false });
    assert.match(stderr, /cannot rollback a paused deployment|you cannot rollback a paused deployment/);
    await run('rollout', 'resume', 'deployment/shop');
    await rolledOut('shop');
    assert.equal(await revisions(), before + 1);
  });
}

describe('the stories of Deployments, on sim', { skip }, () => stories('sim'));
describe('the stories of Deployments, on docker', { skip }, () => stories('docker'));
