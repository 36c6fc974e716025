import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HttpsOptions } from './transports/https.ts';

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** How a pod reaches the API: the service variables and the mounted token, as every client library knows them. Throws where there are none. */
export async function inClusterConnection(
  env: Readonly<Record<string, string | undefined>>,
  mount = MOUNT,
): Promise<Omit<HttpsOptions, 'clock'>> {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) throw new Error('not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set');
  const ca = await readFile(join(mount, 'ca.crt'));
  return { server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, ca, tokenFile: join(mount, 'token') };
}
