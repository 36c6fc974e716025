/** Clusters for the benches: made with the command line, timed from outside. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { parse } from 'yaml';
import { isolated, rockpool } from '../fixtures/cluster.ts';

export type DriverName = 'docker' | 'sim';

export interface BenchCluster {
  driver: DriverName;
  startMs: number;
  connection: Connection;
  run(args: readonly string[]): Promise<string>;
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
  return {
    driver,
    startMs,
    connection: readConnection(place.kubeconfig),
    run,
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
