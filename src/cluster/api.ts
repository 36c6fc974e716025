import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../client/client.ts';
import type { ClusterContext } from './context.ts';
import { serverUrl } from './node-config.ts';
import { profilePaths } from './paths.ts';
import type { Profile } from './profile.ts';
import { silentLogger } from '../lib/log.ts';

/** Runs `work` with a client of the profile's API, as the administrator, and closes it. The client's modules are loaded here, not before. */
export async function withApi<T>(profile: Profile, { home, clock, rng }: ClusterContext, work: (client: Client) => Promise<T>): Promise<T> {
  const { pki } = profilePaths(home, profile.name);
  const [{ createClient }, { httpsTransport }, ca, cert, key] = await Promise.all([
    import('../client/new-client.ts'),
    import('../client/transports/https.ts'),
    ...['ca.crt', 'components/admin.crt', 'components/admin.key'].map((name) => readFile(join(pki, name), 'utf8')),
  ]);
  const { transport, close } = httpsTransport({ server: serverUrl(profile), ca: ca!, cert: cert!, key: key!, userAgent: 'rockpool', clock });
  const client = createClient({ transport, clock, log: silentLogger, rng });
  try {
    return await work(client);
  } finally {
    await client.close();
    await close();
  }
}
