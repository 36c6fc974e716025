/** What people run into: each failure names its code and advice, has its exit code, and loses nothing. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import Docker from 'dockerode';
import { execa } from 'execa';
import { isolated, rockpool } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { hasEngine, needsEngine } from '../fixtures/machine.ts';

const BIN = join(import.meta.dirname, '..', '..', 'dist', 'rockpool.mjs');
const PROFILE = 'mishaps';
const drivers = (await hasEngine()) ? ['sim', 'docker'] : ['sim'];

describe('failures', () => {
  let place: ReturnType<typeof isolated>;
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    rockpool([...args, '-p', PROFILE], { env: { ...place.env, ...env }, reject: false });

  beforeEach(() => {
    place = isolated('failures');
  });
  afterEach(async () => {
    await rockpool(['delete', '--purge', '-p', PROFILE], { env: place.env, reject: false });
    place.remove();
  });

  it('an unknown flag is a usage error, and nothing is done', async () => {
    const result = await run(['start', '--drivre', 'sim']);
    assert.equal(result.exitCode, 14);
    assert.match(result.stderr, /drivre/);
    assert.equal(existsSync(join(place.home, 'profiles', PROFILE)), false);
  });

  it('an unknown command is a usage error that suggests the right one', async () => {
    const result = await run(['strat']);
    assert.equal(result.exitCode, 14);
    assert.match(result.stderr, /start/);
  });

  it('a port in use is named, and nothing is left behind', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    try {
      const result = await run(['start', '--driver', 'sim', '--api-port', String(port)]);
      assert.equal(result.exitCode, 71, result.stderr);
      assert.match(result.stderr, new RegExp(`PORT_IN_USE[\\s\\S]*${port}`));
    } finally {
      server.close();
    }
    assert.equal(existsSync(place.kubeconfig), false);
  });

  it('a dead engine is told with advice', async () => {
    const result = await run(['start', '--driver', 'docker'], { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
    assert.equal(result.exitCode, 63, result.stderr);
    assert.match(result.stderr, /ENGINE_NOT_RUNNING[\s\S]*--driver sim/);
  });

  it('without an engine start chooses sim and says why', async () => {
    const result = await run(['start'], { DOCKER_HOST: 'unix:///nowhere/docker.sock' });
    assert.equal(result.exitCode, 0, result.stderr);
    assert.match(result.stdout + result.stderr, /sim[\s\S]*engine/);
  });

  it('a broken kubeconfig is left untouched', async () => {
    const broken = 'apiVersion: v1\nclusters: [ {\n';
    writeFileSync(place.kubeconfig, broken);
    const result = await run(['start', '--driver', 'sim']);
    assert.equal(result.exitCode, 18, result.stderr);
    assert.match(result.stderr, /KUBECONFIG_BROKEN/);
    assert.equal(readFileSync(place.kubeconfig, 'utf8'), broken);
  });

  it('a corrupt profile names the file and the field', async () => {
    const folder = join(place.home, 'profiles', PROFILE);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'profile.json'), JSON.stringify({ schema: 1, name: PROFILE, driver: 'teapot' }));
    const result = await run(['start']);
    assert.equal(result.exitCode, 18, result.stderr);
    assert.match(result.stderr, /PROFILE_CORRUPT[\s\S]*driver/);
    assert.equal(existsSync(join(folder, 'profile.json')), true);
  });

  it('a full disk is told as such', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('mounting a small disk needs root');
    const disk = join(place.home, '..', 'disk');
    mkdirSync(disk, { recursive: true });
    const mounted = await execa('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', disk], { reject: false });
    if (mounted.failed) return t.skip('this machine cannot mount a tmpfs');
    try {
      const result = await run(['start', '--driver', 'sim'], { ROCKPOOL_HOME: join(disk, 'home') });
      assert.equal(result.exitCode, 26, result.stderr);
      assert.match(result.stderr, /DISK_FULL/);
    } finally {
      await rockpool(['delete', '--purge', '-p', PROFILE], { env: { ...place.env, ROCKPOOL_HOME: join(disk, 'home') }, reject: false });
      await execa('umount', ['-l', disk]);
    }
  });

  it('errors are JSON for machines', async () => {
    const result = await run(['start', '--driver', 'teapot', '-o', 'json']);
    const last = JSON.parse(result.stdout.trim().split('\n').at(-1)!) as {
      data: { name: string; exitcode: string | number; advice: unknown };
    };
    assert.equal(last.data.name, 'DRIVER_UNKNOWN');
    assert.equal(Number(last.data.exitcode), result.exitCode);
  });

  for (const driver of drivers) {
    it(`Ctrl-C in start on ${driver} leaves nothing running`, async (t) => {
      if (driver === 'docker' && !(await needsEngine(t))) return;
      const child = execa(process.execPath, [BIN, 'start', '--driver', driver, '-p', PROFILE], {
        env: place.env,
        reject: false,
        all: true,
      });
      await eventually(() => assert.equal(existsSync(join(place.home, 'profiles', PROFILE)), true), { within: 10_000, every: 5 });
      child.kill('SIGINT');
      const result = await child;
      assert.equal(result.exitCode, 130, result.all);
      assert.match(result.all, /INTERRUPTED|interrupted/i);
      assert.equal(existsSync(place.kubeconfig) && /mishaps/.test(readFileSync(place.kubeconfig, 'utf8')), false);
      const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(place.home));
      assert.deepEqual(left, []);
      if (driver === 'docker') assert.deepEqual(await new Docker().listContainers({ all: true, filters: { name: [PROFILE] } }), []);
    });
  }
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}
