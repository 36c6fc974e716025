/** Plugins that are refused, come back, and go. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startCsiDriver } from '../../../test/fixtures/csi-driver/driver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { createPluginRegistry, type PluginHandlers } from './registry.ts';

const soon = { within: 10_000, every: 10 };

async function withRegistry(handlers: PluginHandlers, work: (kubeletDir: string) => Promise<void>): Promise<void> {
  const kubeletDir = await mkdtemp(path.join(tmpdir(), 'rockpool-plugins-'));
  const clock = systemClock({ unref: true });
  const registry = createPluginRegistry({
    folder: path.join(kubeletDir, 'plugins_registry'),
    handlers,
    clock,
    rng: systemRng(),
    log: silentLogger,
  });
  try {
    await registry.start();
    await work(kubeletDir);
  } finally {
    await registry.stop();
    await rm(kubeletDir, { recursive: true, force: true });
  }
}

const start = (kubeletDir: string) =>
  startCsiDriver({ name: 'd.example.com', kubeletDir, dataDir: path.join(kubeletDir, 'data'), mounts: false });

test('a plugin of a type that nobody handles is told so', () =>
  withRegistry({}, async (kubeletDir) => {
    const driver = await start(kubeletDir);
    await eventually(
      () => assert.match(driver.registrations[0]?.error ?? '', /^no handler registered for plugin type: CSIPlugin at socket /),
      soon,
    );
    assert.equal(driver.registrations[0]!.pluginRegistered, false);
    await driver.close();
  }));

test('a plugin that was refused is asked again; one that comes back is registered anew, one that goes is let go', async () => {
  const seen: string[] = [];
  let refuse = true;
  const handler = {
    register: async ({ name }: { name: string }) => {
      if (refuse) throw new Error('not now');
      seen.push(`+${name}`);
    },
    deregister: async (name: string) => void seen.push(`-${name}`),
  };
  await withRegistry({ CSIPlugin: handler }, async (kubeletDir) => {
    const first = await start(kubeletDir);
    await eventually(() => assert.deepEqual(first.registrations[0], { pluginRegistered: false, error: 'not now' }), soon);
    refuse = false;
    await eventually(() => assert.deepEqual(seen, ['+d.example.com']), soon);
    await eventually(() => assert.deepEqual(first.registrations.at(-1), { pluginRegistered: true, error: '' }), soon);
    await first.close();
    await eventually(() => assert.deepEqual(seen, ['+d.example.com', '-d.example.com']), soon);
    const second = await start(kubeletDir);
    await eventually(() => assert.deepEqual(seen, ['+d.example.com', '-d.example.com', '+d.example.com']), soon);
    await second.close();
    await eventually(() => assert.equal(seen.length, 4), soon);
  });
});
