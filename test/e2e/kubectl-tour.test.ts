/**
 * A stranger tries all of kubectl, in as many versions as the machine has (ROCKPOOL_TEST_KUBECTLS). Simulated pods are enough: what a real
 * container does is the first tutorial's subject. ROCKPOOL_TEST_DRIVER=docker takes the tour there.
 */
import { after, before, describe } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { kubectls } from '../fixtures/machine.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';
import { applying, changing } from './kubectl-tour/changing.ts';
import { creating } from './kubectl-tour/creating.ts';
import { governing } from './kubectl-tour/governing.ts';
import { looking } from './kubectl-tour/looking.ts';
import { pods, rollouts } from './kubectl-tour/running.ts';

const found = await kubectls();
const driver = process.env['ROCKPOOL_TEST_DRIVER'] === 'docker' ? 'docker' : 'sim';

describe(`kubectl tour on ${driver}`, { skip: found.length > 0 ? false : 'this machine has no kubectl' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver, profile: 'e2e-tour', kubectl: found[0]!.path });
    if (driver === 'docker') for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
  });
  after(() => cluster?.delete());

  for (const kubectl of found) {
    // Chapters have namespaces of their own; the last one cordons the node, so it is alone.
    describe(`kubectl ${kubectl.version}`, { concurrency: 3 }, () => {
      for (const chapter of [looking, creating, applying, changing, rollouts, pods]) chapter(() => cluster, kubectl);
    });
    governing(() => cluster, kubectl);
  }
});
