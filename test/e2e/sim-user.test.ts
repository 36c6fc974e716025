/** The bare laptop: the same tutorial by a user without any rights, for whom ports below 1024 are closed. */
import { after, before, describe } from 'node:test';
import { execa } from 'execa';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { kubectls } from '../fixtures/machine.ts';
import { firstTutorial } from './first-tutorial.ts';

const NOBODY = 65_534;
const [kubectl] = await kubectls();

/** Why this cannot be tried here. */
async function obstacle(): Promise<string | false> {
  if (!kubectl) return 'this machine has no kubectl';
  if (process.getuid?.() !== 0) return 'only root can become another user';
  const { failed } = await execa(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, cwd: import.meta.dirname, reject: false });
  return failed && 'another user cannot read this checkout';
}

describe('first tutorial on sim as an ordinary user', { skip: await obstacle() }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'e2e-sim-user', kubectl: kubectl!.path, uid: NOBODY });
  });
  after(() => cluster?.delete());

  firstTutorial(() => cluster);
});
