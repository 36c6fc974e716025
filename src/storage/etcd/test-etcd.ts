import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Storage } from '../storage.ts';

export const NO_ETCD = 'no etcd: set ROCKPOOL_TEST_ETCD or put etcd on the PATH';

/** The etcd to test with, if this machine has one. */
export function etcdBinary(): string | undefined {
  const named = process.env['ROCKPOOL_TEST_ETCD'];
  if (named) return named;
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return folders.flatMap((folder) => ['etcd', 'etcd-3.5'].map((name) => path.join(folder, name))).find((file) => existsSync(file));
}

export const PEER_SOCKET = 'peer:1';

/** Starts an etcd that keeps everything in `directory` and listens on `client.sock` (and, for members, `PEER_SOCKET`) there. */
export function spawnEtcd(binary: string, directory: string, more: Record<string, string> = {}): ChildProcess {
  const flags = {
    'data-dir': `${directory}/data`,
    'listen-client-urls': `unix://${directory}/client.sock`,
    // Nobody connects to what is advertised; but etcd wants a host and a port there.
    'advertise-client-urls': 'http://localhost:2379',
    // What looks like a host and a port is a socket of that name in etcd's working folder.
    'listen-peer-urls': `unix://${PEER_SOCKET}`,
    'initial-advertise-peer-urls': 'http://localhost:2380',
    'initial-cluster': 'default=http://localhost:2380',
    'heartbeat-interval': '10',
    'election-timeout': '100',
    'log-level': 'error',
    ...more,
  };
  return spawn(
    binary,
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { stdio: 'ignore', cwd: directory },
  );
}

/** Keeps what a test makes, to close, kill and remove it in that order. */
export function cleaner() {
  const directories: string[] = [];
  const stores: Storage[] = [];
  const children: ChildProcess[] = [];
  return {
    directory: async () => {
      // Short, because a socket's path may have 107 bytes.
      const directory = await mkdtemp(path.join(tmpdir(), 'rps-'));
      directories.push(directory);
      return directory;
    },
    closing: (storage: Storage) => {
      stores.push(storage);
      return storage;
    },
    killing: (child: ChildProcess) => {
      children.push(child);
      return child;
    },
    run: async () => {
      await Promise.all(stores.map((storage) => storage.close()));
      await Promise.all(children.map((child) => kill(child)));
      await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
    },
  };
}

/** SIGKILL, and waits until the process is gone. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
