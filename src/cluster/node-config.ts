import type { NodeConfig } from '../lib/node-config.ts';
import type { Driver } from './driver.ts';
import { pkiPaths } from './pki/pki.ts';
import { addressAt } from './ip-range.ts';
import type { Profile } from './profile.ts';
import type { StartRequest } from './start-request.ts';

export const CLUSTER_DOMAIN = 'cluster.local';

/** The URL that kubeconfigs name. */
export function serverUrl({ listenAddress, apiPort }: Pick<Profile, 'listenAddress' | 'apiPort'>): string {
  const host = listenAddress === '0.0.0.0' || listenAddress === '::' ? '127.0.0.1' : listenAddress;
  return `https://${host.includes(':') ? `[${host}]` : host}:${apiPort}`;
}

/** What the node is told: the profile in the places of the driver's layout. */
export function nodeConfig(
  driver: Driver,
  profile: Profile,
  {
    traceStartup,
    splitProcesses,
    compactionIntervalMs,
    auditPolicy,
    schedulerConfiguration,
  }: Pick<StartRequest, 'traceStartup' | 'splitProcesses' | 'compactionIntervalMs'> & {
    /** The files' texts, not their paths. */
    auditPolicy?: string | undefined;
    schedulerConfiguration?: string | undefined;
  },
): NodeConfig {
  const layout = driver.layout(profile);
  return {
    clusterName: profile.name,
    nodeName: profile.name,
    runtime: layout.runtime,
    storage: profile.storage,
    dataDir: layout.dataDir,
    runDir: layout.runDir,
    pki: pkiPaths(layout.pkiDir),
    apiserver: {
      bindAddress: layout.bindAddress,
      port: layout.port,
      advertiseAddress: layout.advertiseAddress,
      externalUrl: serverUrl(profile),
      ...(auditPolicy === undefined ? {} : { auditPolicy }),
    },
    podCidr: profile.podCidr,
    serviceCidr: profile.serviceCidr,
    // kubeadm's rule: the tenth address of the range.
    clusterDnsIp: addressAt(profile.serviceCidr, 10),
    clusterDomain: CLUSTER_DOMAIN,
    nodePortRange: profile.nodePortRange,
    addonsDir: layout.addonsDir,
    ...(layout.imagesDir ? { imagesDir: layout.imagesDir } : {}),
    ...(layout.catalogueDir ? { catalogueDir: layout.catalogueDir } : {}),
    ...(profile.simNodes > 0 ? { simNodes: profile.simNodes } : {}),
    ...(traceStartup ? { traceStartup } : {}),
    ...(splitProcesses ? { splitProcesses } : {}),
    ...(schedulerConfiguration === undefined ? {} : { schedulerConfiguration }),
    ...(compactionIntervalMs === undefined ? {} : { compactionIntervalMs }),
    logLevel: 'info',
  };
}
