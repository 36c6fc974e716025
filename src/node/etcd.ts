import { join } from 'node:path';
import { connect } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';
import { electAtOnce } from './etcd-election.ts';
import { supervise } from './supervise.ts';

export interface EtcdOptions {
  dataDir: string;
  runDir: string;
  clock: Clock;
  log: Logger;
  binary?: string;
}

export const etcdSocket = (runDir: string): string => join(runDir, 'etcd.sock');

/** The real etcd, one member, listening on unix sockets only. It is made to elect itself at once, which brings the first write down from about a second to a tenth. */
export function etcdProcess({ dataDir, runDir, clock, log, binary = '/usr/bin/etcd' }: EtcdOptions): Component {
  const socket = etcdSocket(runDir);
  // No other member will ever connect, but there must be an address of the form host:port; of a unix scheme it is a socket in the working folder.
  const peerAddress = 'peer:1';
  const peer = `unix://${peerAddress}`;
  return supervise({
    name: 'etcd',
    command: binary,
    args: [
      `--name=rockpool`,
      `--data-dir=${join(dataDir, 'etcd')}`,
      `--listen-client-urls=unix://${socket}`,
      '--advertise-client-urls=unix://client:1',
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=rockpool=${peer}`,
      '--log-level=warn',
      '--auto-compaction-mode=periodic',
      '--auto-compaction-retention=5m',
      '--quota-backend-bytes=2147483648',
      '--max-request-bytes=3145728',
      // There is nobody to tell that the leader lives; the fall-back election takes three seconds at most.
      '--heartbeat-interval=500',
      '--election-timeout=2500',
    ],
    // Go's own ceiling on idle heap; etcd idles at a third of its default. On one processor it wakes fewer threads: half the CPU when idle, a
    // quarter less for a write, and no slower.
    env: { GOGC: '50', GOMAXPROCS: '1' },
    cwd: runDir,
    pidFile: join(runDir, 'etcd.pid'),
    probe: (signal) => canConnect(socket, signal),
    onLaunch: (signal) => electAtOnce({ clientSocket: socket, peerSocket: join(runDir, peerAddress), clock, log }, signal),
    readyMs: 20_000,
    stopMs: 5_000,
    clock,
    log,
  });
}

/** Resolves when something accepts connections on the unix socket. */
export function canConnect(socket: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket, signal });
    connection.once('connect', () => {
      connection.destroy();
      resolve();
    });
    connection.once('error', reject);
  });
}
