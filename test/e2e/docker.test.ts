import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { tutorialImages } from '../fixtures/tutorial-images.ts';
import { hasEngine, kubectls, needsEngine } from '../fixtures/machine.ts';
import { firstTutorial } from './first-tutorial.ts';

const [middle, newest] = await kubectls();
const engine = await hasEngine();

describe('first tutorial on docker', () => {
  it('has a container engine', async (t) => void (await needsEngine(t)));

  for (const kubectl of engine ? [middle, newest].filter((found) => found !== undefined) : []) {
    describe(`with kubectl ${kubectl.version}`, () => {
      let cluster: Cluster;
      before(async () => {
        cluster = await startCluster({
          driver: 'docker',
          profile: `e2e-docker-${kubectl.version.replace('.', '-')}`,
          kubectl: kubectl.path,
        });
        for (const archive of await tutorialImages()) await cluster.rockpool(['image', 'load', archive]);
      });
      after(() => cluster?.delete());

      firstTutorial(() => cluster);
    });
  }
});
