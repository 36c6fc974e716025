import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { Storage } from '../storage/storage.ts';
import { etcdProcess, etcdSocket } from './etcd.ts';
import { readPem } from './config.ts';

export interface OpenedStore {
  storage: Storage;
  /** The etcd that we run, when we do. */
  process?: Component;
}

/** Opens the store that the configuration names; starts our own etcd first where that is it. Only what is needed is loaded. */
export async function openStore(
  config: NodeConfig,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): Promise<OpenedStore> {
  const every = config.compactionIntervalMs;
  const compaction = every === undefined ? {} : { compaction: { every, keep: every } };
  if (config.storage === 'embedded') {
    const { openEmbeddedStorage } = await import('../storage/embedded/store.ts');
    return { storage: await openEmbeddedStorage({ path: join(config.dataDir, 'store'), clock, log, ...compaction }) };
  }
  const loading = import('../storage/etcd/store.ts');
  if (config.etcdServers) {
    const { openEtcdStorage } = await loading;
    return {
      storage: await openEtcdStorage({ endpoints: config.etcdServers, exclusive: false, clock, log, ...compaction, ...etcdTls(config) }),
    };
  }
  const process = etcdProcess({ dataDir: config.dataDir, runDir: config.runDir, clock, log });
  const [{ openEtcdStorage }] = await Promise.all([loading, process.start(signal)]);
  return {
    storage: await openEtcdStorage({ endpoints: [`unix://${etcdSocket(config.runDir)}`], exclusive: true, clock, log, ...compaction }),
    process,
  };
}

function etcdTls({ pki }: NodeConfig): { tls?: { ca: Buffer; cert: Buffer; key: Buffer } } {
  if (!pki.etcdCaCert) return {};
  const read = (field: 'etcdCaCert' | 'etcdClientCert' | 'etcdClientKey'): Buffer => Buffer.from(readPem(pki, field));
  return { tls: { ca: read('etcdCaCert'), cert: read('etcdClientCert'), key: read('etcdClientKey') } };
}
