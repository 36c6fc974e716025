/** Two processes of one kind on one API server, over https: one works, and the other when the first is gone. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Lease } from '../../src/api/types.gen.ts';
import type { Client } from '../../src/client/client.ts';
import { createClient } from '../../src/client/new-client.ts';
import { LEASES, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS } from '../../src/client/resources.ts';
import { waitFor } from '../../src/client/wait-for.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { NodeConfig } from '../../src/lib/node-config.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../fixtures/apiserver.ts';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'node', 'main.ts');
const LEASE_MS = 2000;
const FLAGS = [`--leader-elect-lease-duration=${LEASE_MS}ms`, '--leader-elect-renew-deadline=1500ms', '--leader-elect-retry-period=200ms'];
const clock = systemClock({ unref: true });
const soon = (what: string, timeoutMs = 20_000) => ({ clock, timeoutMs, what });

interface Kind {
  component: 'controllers' | 'scheduler';
  lease: string;
  /** Resolves when somebody has done some new piece of the work. */
  works(admin: Client, name: string): Promise<void>;
}

const KINDS: Kind[] = [
  {
    component: 'controllers',
    lease: 'kube-controller-manager',
    async works(admin, name) {
      await admin.resource(NAMESPACES).create({ metadata: { name } });
      const accounts = admin.informer(SERVICE_ACCOUNTS);
      await waitFor(accounts, () => accounts.get(`${name}/default`), soon(`the default service account of ${name}`));
    },
  },
  {
    component: 'scheduler',
    lease: 'kube-scheduler',
    async works(admin, name) {
      await admin.resource(PODS, 'default').create({ metadata: { name }, spec: { containers: [{ name: 'main', image: 'nginx' }] } });
      const pods = admin.informer(PODS);
      await waitFor(pods, () => pods.get(`default/${name}`)?.spec?.nodeName, soon(`${name} to be bound`));
    },
  },
];

for (const { component, lease, works } of KINDS) {
  test(`${component}: one of two processes works; when it is killed the other takes over within the lease, when it is stopped at once`, () =>
    withProcesses(component, async ({ admin, startOne }) => {
      const leases = admin.informer(LEASES);
      const holder = (when: (spec: NonNullable<Lease['spec']>) => boolean, what: string) =>
        waitFor(
          leases,
          () => {
            const spec = leases.get(`kube-system/${lease}`)?.spec;
            return spec?.holderIdentity && when(spec) ? spec : undefined;
          },
          soon(what),
        );

      const holders: (string | undefined)[] = [];
      const note = ({ metadata, spec }: Lease): void => {
        if (metadata.name === lease && holders.at(-1) !== spec?.holderIdentity) holders.push(spec?.holderIdentity);
      };
      leases.subscribe({ added: note, updated: note });

      const first = startOne();
      const led = await holder(() => true, 'a first leader');
      await works(admin, 'first');
      const second = startOne();
      await second.ready();
      await works(admin, 'standing-by');
      assert.equal(leases.get(`kube-system/${lease}`)!.spec!.holderIdentity, led.holderIdentity, 'the second stands by');

      first.process.kill('SIGKILL');
      const killedAt = performance.now();
      const next = await holder(({ holderIdentity }) => holderIdentity !== led.holderIdentity, 'a second leader');
      // The lease, the longest wait between two tries, and what a busy machine may need on top.
      assert.ok(performance.now() - killedAt < LEASE_MS + 200 * 2.2 + 3000, `taken over after ${performance.now() - killedAt} ms`);
      assert.equal(next.leaseTransitions, 1);
      await works(admin, 'second');

      const third = startOne();
      await third.ready();
      const exited = once(second.process, 'exit');
      second.process.kill('SIGTERM');
      const last = await holder(
        ({ holderIdentity }) => ![led.holderIdentity, next.holderIdentity].includes(holderIdentity),
        'a third leader',
      );
      assert.deepEqual(await exited, [0, null]);
      await works(admin, 'third');
      // The one that was killed could not give its Lease back, the one that was stopped did.
      assert.deepEqual(holders, [led.holderIdentity, next.holderIdentity, undefined, last.holderIdentity]);
    }));
}

interface Processes {
  admin: Client;
  startOne(): { process: ChildProcess; ready(): Promise<void> };
}

async function withProcesses(component: string, work: (world: Processes) => Promise<void>): Promise<void> {
  const server = await startTestApiServer();
  const admin = createClient({ transport: server.loopback(), clock, log: silentLogger });
  const folder = mkdtempSync(join(tmpdir(), 'rockpool-leader-'));
  const children: ChildProcess[] = [];
  writePki(server, folder);
  try {
    await admin.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    await admin.resource(NODES).create({ metadata: { name: 'n1' } });
    await admin.resource(NODES).patch('n1', 'merge', { spec: { taints: null } });
    const status = { allocatable: { cpu: '4', memory: '4Gi', pods: '10' }, capacity: { cpu: '4', memory: '4Gi', pods: '10' } };
    await admin.resource(NODES).patch('n1', 'merge', { status }, 'status');
    await work({
      admin,
      startOne() {
        const runDir = join(folder, `run-${children.length}`);
        mkdirSync(runDir);
        const path = join(runDir, 'node.json');
        writeFileSync(path, JSON.stringify(configOf(server, folder, runDir)));
        const child = spawn(process.execPath, [MAIN, 'component', component, path, ...FLAGS], { stdio: 'ignore' });
        children.push(child);
        return { process: child, ready: () => eventually(() => assert.ok(existsSync(join(runDir, `${component}.ready`)))) };
      },
    });
  } finally {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await admin.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function writePki({ pki }: TestApiServer, folder: string): void {
  for (const [name, text] of pki) {
    const path = join(folder, 'pki', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

function configOf({ url }: TestApiServer, folder: string, runDir: string): NodeConfig {
  const file = (name: string): string => join(folder, 'pki', name);
  const pki = { caCert: file('ca.crt'), caKey: file('ca.key'), componentsDir: file('components') } as NodeConfig['pki'];
  return {
    clusterName: 'test',
    nodeName: 'test',
    runtime: 'sim',
    storage: 'embedded',
    dataDir: runDir,
    runDir,
    pki,
    apiserver: { bindAddress: '127.0.0.1', port: Number(new URL(url).port), advertiseAddress: '127.0.0.1', externalUrl: url },
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/12',
    clusterDnsIp: '10.96.0.10',
    clusterDomain: 'cluster.local',
    nodePortRange: '30000-32767',
    addonsDir: runDir,
  };
}
