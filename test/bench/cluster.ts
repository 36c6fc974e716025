/** Clusters for the benches: made with the command line, timed from outside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { parse } from 'yaml';
import { API_PORT } from '../../src/cluster/drivers/docker/container-spec.ts';
import { isolated, rockpool } from '../fixtures/cluster.ts';
import { apiCaller } from './http.ts';

export type DriverName = 'docker' | 'sim';

export interface BenchCluster {
  driver: DriverName;
  startMs: number;
  connection: Connection;
  run(args: readonly string[]): Promise<string>;
  /** The same server at the container's own address, past the engine's port; undefined where that cannot be reached from here. */
  direct(): Promise<Connection | undefined>;
  /** The node's first process, as this machine sees it. */
  nodePid(): Promise<number>;
  remove(): Promise<void>;
}

export interface Connection {
  server: string;
  ca: Buffer;
  cert: Buffer;
  key: Buffer;
}

/** Starts a cluster; `startMs` is the whole command, until the node is Ready and the default service account exists. */
export async function benchCluster(driver: DriverName, profile: string, startArgs: readonly string[] = []): Promise<BenchCluster> {
  const place = isolated(profile);
  const run = async (args: readonly string[]): Promise<string> => (await rockpool([...args, '-p', profile], { env: place.env })).stdout;
  const began = performance.now();
  await run(['start', '--driver', driver, ...startArgs]);
  const startMs = performance.now() - began;
  const connection = readConnection(place.kubeconfig);
  return {
    driver,
    startMs,
    connection,
    run,
    direct: async () => {
      if (driver !== 'docker' || process.platform !== 'linux') return undefined;
      const { NetworkSettings } = await new Docker().getContainer(profile).inspect();
      const address = Object.values(NetworkSettings.Networks)[0]?.IPAddress;
      const there = { ...connection, server: `https://${address}:${API_PORT}` };
      return (await answers(there)) ? there : undefined;
    },
    nodePid: async () => {
      if (driver === 'docker') return (await new Docker().getContainer(profile).inspect()).State.Pid;
      return Number.parseInt(/\d+/.exec(readFileSync(join(place.home, 'profiles', profile, 'node.pid'), 'utf8'))![0], 10);
    },
    remove: async () => {
      await run(['delete']);
      place.remove();
    },
  };
}

function readConnection(kubeconfig: string): Connection {
  const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
  };
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  const { cluster } = clusters[0]!;
  const { user } = users[0]!;
  return {
    server: cluster.server,
    ca: bytes(cluster['certificate-authority-data']),
    cert: bytes(user['client-certificate-data']),
    key: bytes(user['client-key-data']),
  };
}

async function answers(connection: Connection): Promise<boolean> {
  const caller = apiCaller(connection, 1);
  try {
    return (await caller.call('GET', '/version')).status === 200;
  } catch (error) {
    console.log(`${connection.server} cannot be reached from here (${(error as Error).message}): only the engine's port is measured`);
    return false;
  } finally {
    caller.close();
  }
}
