import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { storageContract, type CrashRun, type StoreUnderTest } from './contract.ts';
import { writeUntilKilled } from './crash-writer.ts';
import { openEmbeddedStorage } from './embedded/store.ts';
import { openEtcdStorage } from './etcd/store.ts';
import { cleaner, etcdBinary, kill, NO_ETCD, spawnEtcd } from './etcd/test-etcd.ts';
import { StorageError, type Storage } from './storage.ts';

const given = { clock: systemClock(), log: silentLogger, compaction: false } as const;

storageContract('embedded', embeddedUnderTest);
storageContract('etcd, as its only writer', () => etcdUnderTest(true));
storageContract('etcd, among other writers', () => etcdUnderTest(false));

function embeddedUnderTest(): StoreUnderTest {
  const cleanup = cleaner();
  const open = async (directory: string): Promise<Storage> => cleanup.closing(await openEmbeddedStorage({ path: directory, ...given }));
  return {
    open: async () => open(await cleanup.directory()),
    dispose: cleanup.run,
    startCrash: async () => {
      const directory = await cleanup.directory();
      const script = fileURLToPath(new URL('embedded/crash-child.ts', import.meta.url));
      const child = cleanup.killing(spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] }));
      const tally = new Tally();
      const lines = createInterface({ input: child.stdout! }).on('line', (line) => {
        const [key, revision] = line.split(' ');
        tally.add(key!, Number(revision));
      });
      const read = once(lines, 'close');
      const killed: CrashRun['kill'] = async () => {
        // Its output ends a moment before the process does.
        await Promise.all([kill(child), read]);
        return tally.writes;
      };
      return { acknowledged: (count) => tally.reached(count), kill: killed, reopen: () => open(directory) };
    },
  };
}

function etcdUnderTest(exclusive: boolean): StoreUnderTest | string {
  const binary = etcdBinary();
  if (!binary) return NO_ETCD;
  const cleanup = cleaner();
  const open = async (directory: string): Promise<Storage> => {
    return cleanup.closing(await openEtcdStorage({ endpoints: [`unix://${directory}/client.sock`], exclusive, ...given }));
  };
  const start = (directory: string) => cleanup.killing(spawnEtcd(binary, directory));
  let shared: Promise<string> | undefined;
  return {
    open: async () => {
      shared ??= cleanup.directory().then((directory) => {
        start(directory);
        return directory;
      });
      return open(await shared);
    },
    dispose: cleanup.run,
    startCrash: async () => {
      const directory = await cleanup.directory();
      const etcd = start(directory);
      const storage = await open(directory);
      const tally = new Tally();
      const writing = writeUntilKilled(storage, (key, revision) => tally.add(key, revision)).catch((error: unknown) => {
        if (!(error instanceof StorageError) || error.code !== 'Unavailable') throw error;
      });
      const kill: CrashRun['kill'] = async () => {
        etcd.kill('SIGKILL');
        await Promise.all([once(etcd, 'exit'), writing]);
        return tally.writes;
      };
      const reopen = async (): Promise<Storage> => {
        await storage.close();
        start(directory);
        return open(directory);
      };
      return { acknowledged: (count) => tally.reached(count), kill, reopen };
    },
  };
}

/** Acknowledged writes, and who waits for how many. */
class Tally {
  readonly writes = new Map<string, number>();
  #waiting: { count: number; resolve: () => void }[] = [];

  add(key: string, revision: number): void {
    this.writes.set(key, revision);
    for (const { resolve } of this.#waiting.filter(({ count }) => this.writes.size >= count)) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => this.writes.size < count);
  }

  reached(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}
