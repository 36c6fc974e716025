import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { kubectls } from '../fixtures/machine.ts';
import { firstTutorial } from './first-tutorial.ts';

const [kubectl] = await kubectls();

describe('first tutorial on sim', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'e2e-sim', kubectl: kubectl!.path });
  });
  after(() => cluster?.delete());

  it('says that pods are simulated, and the node carries the label', async () => {
    assert.match(cluster.startOutput, /simulated/);
    const { stdout } = await cluster.kubectl(['get', 'nodes', '-l', 'rockpool.dev/runtime=sim', '-o', 'name']);
    assert.match(stdout, /^node\//);
  });

  firstTutorial(() => cluster);
});
