/** Tours with the client libraries that Debian ships for Python and Ruby: what they promise their users works against us. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';

interface Tour {
  name: string;
  /** Debian's interpreter: another one does not see its packages. */
  interpreter: string;
  script: string;
  /** Succeeds when the library is there. */
  probe: readonly string[];
}

const TOURS: readonly Tour[] = [
  { name: 'python3-kubernetes', interpreter: '/usr/bin/python3', script: 'tour.py', probe: ['-c', 'import kubernetes'] },
  { name: 'ruby-kubeclient', interpreter: '/usr/bin/ruby', script: 'tour.rb', probe: ['-e', 'require "kubeclient"'] },
];

const present = await Promise.all(
  TOURS.map(async ({ interpreter, probe }) => (await execa(interpreter, probe, { reject: false, timeout: 30_000 })).exitCode === 0),
);

describe('clients of other languages, on sim', () => {
  let cluster: Cluster | undefined;
  before(async () => {
    if (present.includes(true)) cluster = await startCluster({ driver: 'sim', profile: 'e2e-clients', kubectl: 'kubectl' });
  });
  after(() => cluster?.delete());

  for (const [index, { name, interpreter, script }] of TOURS.entries()) {
    it(name, { skip: present[index] ? false : `this machine has no ${name}` }, async () => {
      const { all, exitCode } = await execa(interpreter, [join(import.meta.dirname, 'clients', script)], {
        all: true,
        reject: false,
        timeout: 180_000,
        env: { KUBECONFIG: cluster!.kubeconfig, HOME: cluster!.home },
      });
      assert.equal(exitCode, 0, all);
      assert.match(all, /^stop: done$/m);
    });
  }
});
