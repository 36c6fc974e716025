/** kill -9 of each process in the node while work goes on: it comes back by itself, and nothing that was acknowledged is gone. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, kubectls, needsEngine } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';

const PROFILE = 'e2e-kill';
const [kubectl] = await kubectls();
const engine = await hasEngine();

/** Pids of this machine whose command, inside the node container, matches. */
async function pidsOf(command: RegExp): Promise<number[]> {
  const { Titles, Processes } = (await new Docker().getContainer(PROFILE).top({ ps_args: '-eo pid,args' })) as {
    Titles: string[];
    Processes: string[][];
  };
  const [pid, args] = [Titles.indexOf('PID'), Titles.findIndex((title) => /COMMAND|ARGS|CMD/.test(title))];
  return Processes.filter((row) => command.test(row[args]!)).map((row) => Number(row[pid]));
}

describe('kill -9 in the node', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));
  if (!engine) return;

  let cluster: Cluster;
  const acknowledged: string[] = [];
  let serial = 0;
  before(async () => {
    cluster = await startCluster({ driver: 'docker', profile: PROFILE, kubectl: kubectl!.path });
    for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
    await cluster.kubectl(['create', 'deployment', 'web', '--image=nginx', '--replicas=2']);
    await cluster.kubectl(['rollout', 'status', 'deployment/web', '--timeout=60s']);
  });
  after(() => cluster?.delete());

  /** Creates config maps until told to stop; only what kubectl said was created counts. */
  function writer(): { stop(): Promise<void> } {
    const stopped = new AbortController();
    const work = (async () => {
      while (!stopped.signal.aborted) {
        const name = `mark-${serial++}`;
        const { exitCode } = await cluster.kubectl(['create', 'configmap', name, '--from-literal=a=b', '--request-timeout=5s'], {
          reject: false,
        });
        if (exitCode === 0) acknowledged.push(name);
      }
    })();
    return {
      stop: () => {
        stopped.abort();
        return work;
      },
    };
  }

  const victims = [
    { name: 'etcd', command: /\/etcd / },
    { name: 'containerd', command: /^\S*\/containerd / },
    { name: 'the node process', command: /node\.mjs/ },
    { name: 'a container', command: /nginx: master/ },
  ];
  for (const { name, command } of victims) {
    it(`${name} comes back`, async () => {
      const [victim] = await eventually(async () => {
        const found = await pidsOf(command);
        assert.ok(found.length > 0, `no process ${command}`);
        return found;
      });
      const writing = writer();
      await eventually(() => assert.ok(acknowledged.length > 0));
      process.kill(victim!, 'SIGKILL');
      await eventually(
        async () => {
          const now = await pidsOf(command);
          assert.ok(now.length > 0 && !now.includes(victim!), `${name} is not back`);
        },
        { within: 30_000 },
      );
      const before = acknowledged.length;
      await eventually(() => assert.ok(acknowledged.length > before, 'writes go on'), { within: 30_000 });
      await writing.stop();
      const { stdout } = await cluster.kubectl(['get', 'configmaps', '-o', 'name']);
      const there = new Set(stdout.split('\n').map((line) => line.replace('configmap/', '')));
      assert.deepEqual(
        acknowledged.filter((mark) => !there.has(mark)),
        [],
        'every acknowledged write is there',
      );
      await eventually(async () => {
        const ready = await cluster.kubectl(['get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas}']);
        assert.equal(ready.stdout, '2');
        assert.match((await cluster.kubectl(['get', 'nodes'])).stdout, / Ready /);
        assert.match((await cluster.kubectl(['exec', 'deployment/web', '--', 'cat', '/etc/hostname'])).stdout, /^web-/);
      });
    });
  }
});
