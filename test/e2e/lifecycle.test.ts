import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

const [kubectl] = await kubectls();
const drivers: readonly ('sim' | 'docker')[] = (await hasEngine()) ? ['sim', 'docker'] : ['sim'];

/** Every process whose command line names the text. */
function processesNaming(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
      } catch (error) {
        if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
        throw error;
      }
    })
    .filter((line) => line.includes(text));
}

async function certificates(cluster: Cluster): Promise<string> {
  const { stdout } = await cluster.kubectl(['config', 'view', '--raw', '-o', 'json']);
  return stdout;
}

describe('lifecycle', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));

  for (const driver of drivers) {
    describe(`on ${driver}`, () => {
      let one: Cluster;
      let two: Cluster | undefined;
      before(async () => {
        one = await startCluster({ driver, profile: `life-${driver}`, kubectl: kubectl!.path });
        if (driver === 'docker') for (const archive of await tutorialImages()) await one.rockpool(['image', 'load', archive]);
      });
      after(async () => {
        await two?.delete();
        await one?.delete();
      });

      it('stop, then start: the Deployment is back with Ready pods and the same certificates', async () => {
        await one.kubectl(['create', 'deployment', 'kept', '--image=nginx', '--replicas=2']);
        await one.kubectl(['rollout', 'status', 'deployment/kept', '--timeout=60s']);
        const before = await certificates(one);
        await one.rockpool(['stop']);
        const status = await one.rockpool(['status'], { reject: false });
        assert.equal(status.exitCode! & 1, 1, status.stdout);
        await one.rockpool(['start']);
        await one.kubectl(['rollout', 'status', 'deployment/kept', '--timeout=60s']);
        await eventually(async () => {
          const { stdout } = await one.kubectl(['get', 'deployment', 'kept', '-o', 'jsonpath={.status.readyReplicas}']);
          assert.equal(stdout, '2');
        });
        assert.equal(await certificates(one), before);
      });

      it('start on a running cluster changes nothing', async () => {
        const before = await one.kubectl(['get', 'pods', '-o', 'name']);
        await one.rockpool(['start']);
        assert.equal((await one.kubectl(['get', 'pods', '-o', 'name'])).stdout, before.stdout);
      });

      it('status is text for people and JSON for machines', async () => {
        assert.match((await one.rockpool(['status'])).stdout, /Running/i);
        const json = JSON.parse((await one.rockpool(['status', '-o', 'json'])).stdout) as Record<string, unknown>;
        assert.equal(json['driver'] ?? json['Driver'], driver);
      });

      it('a second profile runs beside it, with pods of its own', async () => {
        two = await startCluster({ driver, profile: `life-${driver}-two`, kubectl: kubectl!.path });
        assert.equal((await two.kubectl(['get', 'pods'])).stdout, '');
        assert.match((await one.kubectl(['get', 'pods'])).stdout, /kept-/);
        await two.delete();
      });

      it('delete leaves no container, volume, network, process, file or kubeconfig entry', async () => {
        await one.rockpool(['delete']);
        assert.equal((await one.rockpool(['delete'])).exitCode, 0, 'deleting what is gone succeeds');
        assert.doesNotMatch(readFileSync(one.kubeconfig, 'utf8'), /life-/);
        assert.equal(existsSync(join(one.home, 'profiles', one.profile)), false);
        await eventually(() => assert.deepEqual(processesNaming(one.home), []), { within: 5_000 });
        if (driver !== 'docker') return;
        const docker = new Docker();
        const containers = await docker.listContainers({ all: true, filters: { name: [one.profile] } });
        const volumes = await docker.listVolumes({ filters: { name: [one.profile] } });
        const networks = await docker.listNetworks({ filters: { name: [one.profile] } });
        assert.deepEqual([containers, volumes.Volumes ?? [], networks], [[], [], []]);
      });
    });
  }
});
