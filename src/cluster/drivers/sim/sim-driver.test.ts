import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../lib/clock.ts';
import { systemRng } from '../../../lib/random.ts';
import type { ClusterContext } from '../../context.ts';
import type { NodeFiles } from '../../driver.ts';
import { nodeConfig } from '../../node-config.ts';
import { profilePaths } from '../../paths.ts';
import { freePort } from '../../ports.ts';
import { processStart } from '../../processes.ts';
import { exampleProfile } from '../../profile.fixture.ts';
import type { Profile } from '../../profile.ts';
import { simDriver } from './sim-driver.ts';

/** A node that does as its configuration's clusterName says. */
const NODE = `
import { readFileSync } from 'node:fs';
const { clusterName } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
console.error('node for ' + clusterName);
if (clusterName === 'dies') process.exit(3);
if (clusterName === 'refuses') { console.log('{"ready":false,"code":"PORT_IN_USE","message":"port taken"}'); process.exit(1); }
if (clusterName === 'stubborn') process.on('SIGTERM', () => console.error('no'));
if (clusterName !== 'silent') process.stdout.write('{"ready":true,"phases":{"up":1},'), setTimeout(() => process.stdout.write('"apiserverPort":1}\\n'), 20);
setInterval(() => {}, 1000);
`;

const root = await mkdtemp(join(tmpdir(), 'rockpool-sim-'));
const context: ClusterContext = {
  home: root,
  userHome: root,
  packageRoot: root,
  version: '0',
  env: process.env,
  clock: systemClock(),
  rng: systemRng(),
  progress: { step: () => {}, detail: () => {}, info: () => {}, warn: () => {} },
  signal: new AbortController().signal,
};
const driver = simDriver(context);
before(async () => {
  await mkdir(join(root, 'dist'));
  await writeFile(join(root, 'dist', 'node.mjs'), NODE);
});
const made: Profile[] = [];
after(async () => {
  for (const profile of made) await driver.remove(profile);
  await rm(root, { recursive: true });
});

async function profileOf(name: string): Promise<Profile> {
  return exampleProfile({ name, driver: 'sim', storage: 'embedded', apiPort: await freePort('127.0.0.1') });
}

function filesOf(profile: Profile): NodeFiles {
  return {
    config: nodeConfig(driver, profile, { traceStartup: false }),
    pki: new Map(),
    addons: { files: new Map([['dns/addon.yaml', 'name: dns']]), absent: ['old'] },
  };
}

async function started(name: string, timeoutMs = 10_000): Promise<Profile> {
  const profile = await profileOf(name);
  made.push(profile);
  await driver.prepare(profile, context.signal);
  await driver.start(profile, filesOf(profile), { timeoutMs, signal: context.signal });
  return profile;
}

test('a node runs on without us, is found again, and stops', async () => {
  const profile = await started('lesson');
  assert.equal(await driver.state(profile), 'Running');
  assert.equal(
    await driver.start(profile, filesOf(profile), { timeoutMs: 1000, signal: context.signal }),
    undefined,
    'one that runs is left alone',
  );
  assert.equal(await readFile(join(profilePaths(root, 'lesson').addons, 'dns', 'addon.yaml'), 'utf8'), 'name: dns');
  const lines: string[] = [];
  for await (const line of driver.logs(profile, { follow: false, signal: context.signal })) lines.push(line);
  assert.deepEqual(lines, ['node for lesson']);
  const { pid } = JSON.parse(await readFile(profilePaths(root, 'lesson').pid, 'utf8')) as { pid: number };
  await driver.stop(profile, { timeoutMs: 5000 });
  assert.equal(await processStart(pid), undefined);
  assert.equal(await driver.state(profile), 'Stopped');
  await driver.stop(profile, { timeoutMs: 5000 });
  await driver.remove(profile);
  assert.equal(await driver.state(profile), 'Absent');
  await driver.remove(profile);
});

const failures = [
  { name: 'dies', code: 'NODE_START', says: /ended with code 3 before it was ready\. It said:\n {4}node for dies/ },
  { name: 'refuses', code: 'PORT_IN_USE', says: /port taken/ },
  { name: 'silent', code: 'NODE_TIMEOUT', says: /did not report within 0 s/ },
];
for (const { name, code, says } of failures) {
  test(`a node that ${name}`, async () => {
    await assert.rejects(started(name, 400), { code, message: says });
    const profile = await profileOf(name);
    await driver.remove(profile);
    assert.equal(await driver.state(profile), 'Absent');
  });
}

test('a node that does not end by TERM is killed', async () => {
  const profile = await started('stubborn');
  await driver.stop(profile, { timeoutMs: 100 });
  assert.equal(await driver.state(profile), 'Stopped');
  await driver.remove(profile);
});

test('a used port is found out before anything is started', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const profile = { ...(await profileOf('taken')), apiPort: (server.address() as { port: number }).port };
  await driver.prepare(profile, context.signal);
  await assert.rejects(driver.start(profile, filesOf(profile), { timeoutMs: 1000, signal: context.signal }), { code: 'PORT_IN_USE' });
  await new Promise((resolve) => server.close(resolve));
});

test('a process that took over our pid is not ours to end', async () => {
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const profile = await profileOf('stranger');
  await mkdir(profilePaths(root, 'stranger').data, { recursive: true });
  await writeFile(profilePaths(root, 'stranger').pid, JSON.stringify({ pid: stranger.pid, start: 'another time' }));
  assert.equal(await driver.state(profile), 'Stopped');
  await driver.stop(profile, { timeoutMs: 100 });
  assert.ok(await processStart(stranger.pid!), 'it lives');
  const gone = new Promise((resolve) => stranger.once('exit', resolve));
  stranger.kill('SIGKILL');
  await gone;
});

test('logs can be followed', async () => {
  const profile = await started('followed');
  const stop = new AbortController();
  const lines: string[] = [];
  const following = (async () => {
    for await (const line of driver.logs(profile, { follow: true, tail: 0, signal: stop.signal })) {
      lines.push(line);
      if (lines.length === 2) stop.abort();
    }
  })();
  const { log } = profilePaths(root, 'followed');
  // Appended until the follower, which starts at its own pace, has seen two.
  while (!stop.signal.aborted) {
    await writeFile(log, 'more\n', { flag: 'a' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  await following;
  assert.deepEqual(lines.slice(0, 2), ['more', 'more']);
  await driver.remove(profile);
});

for (const [what, change] of [
  ['ports', { ports: ['80:80'] }],
  ['etcd', { storage: 'etcd' }],
  ['cpus', { cpus: 1 }],
] as const) {
  test(`what sim cannot do is an error: ${what}`, async () => {
    await assert.rejects(async () => driver.plan({ ...(await profileOf('xx')), ...change } as Profile, context.signal), {
      code: 'DRIVER_UNSUPPORTED',
      exitCode: 56,
    });
  });
}
