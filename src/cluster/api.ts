import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../client/client.ts';
import type { createClient } from '../client/new-client.ts';
import type { httpsTransport } from '../client/transports/https.ts';
import type { ClusterContext } from './context.ts';
import { serverUrl } from './node-config.ts';
import { profilePaths } from './paths.ts';
import type { Profile } from './profile.ts';
import { silentLogger } from '../lib/log.ts';

/** The client's modules: loaded when first needed, or ahead of need while something else is waited for. */
export async function loadClient(): Promise<{ createClient: typeof createClient; httpsTransport: typeof httpsTransport }> {
  // The transport itself loads undici at its first request; here that happens while the node boots.
  const [client, transport] = await Promise.all([
    import('../client/new-client.ts'),
    import('../client/transports/https.ts'),
    import('undici'),
  ]);
  return { createClient: client.createClient, httpsTransport: transport.httpsTransport };
}

/** Runs `work` with a client of the profile's API, as the administrator, and closes it. */
export async function withApi<T>(profile: Profile, { home, clock, rng }: ClusterContext, work: (client: Client) => Promise<T>): Promise<T> {
  const { pki } = profilePaths(home, profile.name);
  const [modules, ca, cert, key] = await Promise.all([
    loadClient(),
    ...['ca.crt', 'components/admin.crt', 'components/admin.key'].map((name) => readFile(join(pki, name), 'utf8')),
  ]);
  const { transport, close } = modules.httpsTransport({
    server: serverUrl(profile),
    ca: ca!,
    cert: cert!,
    key: key!,
    userAgent: 'rockpool',
    clock,
  });
  const client = modules.createClient({ transport, clock, log: silentLogger, rng });
  try {
    return await work(client);
  } finally {
    await client.close();
    await close();
  }
}
