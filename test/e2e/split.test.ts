/** Scheduler, controllers and kubelet each as a process of its own over https: components know the cluster through its API alone. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

const PROFILE = 'e2e-split';
const COMPONENTS = ['scheduler', 'controllers', 'kubelet'];
const [kubectl] = await kubectls();
const engine = await hasEngine();

async function pidOf(component: string): Promise<number | undefined> {
  const { Processes } = (await new Docker().getContainer(PROFILE).top({ ps_args: '-eo pid,args' })) as { Processes: string[][] };
  const row = Processes.find((each) => each.at(-1)!.includes(`component ${component}`));
  return row && Number(row[0]);
}

describe('components as processes', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));
  if (!engine) return;

  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'docker', profile: PROFILE, kubectl: kubectl!.path, startArgs: ['--split-processes'] });
    for (const archive of await tutorialImages(['nginx'])) await cluster.rockpool(['image', 'load', archive]);
  });
  after(() => cluster?.delete());

  it('run apart and bring a Deployment up', async () => {
    for (const component of COMPONENTS) assert.ok(await pidOf(component), `${component} is a process`);
    await cluster.kubectl(['create', 'deployment', 'web', '--image=nginx', '--replicas=2']);
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    assert.match((await cluster.kubectl(['exec', 'deployment/web', '--', 'cat', '/etc/hostname'])).stdout, /^web-/);
  });

  for (const component of COMPONENTS) {
    it(`${component} comes back after kill -9, and work goes on`, async () => {
      const before = (await pidOf(component))!;
      process.kill(before, 'SIGKILL');
      await eventually(async () => {
        const now = await pidOf(component);
        assert.ok(now && now !== before);
      });
      await cluster.kubectl(['rollout', 'restart', 'deployment/web']);
      await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
    });
  }
});
