import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StatusError } from '../api/status.ts';
import type { Client } from '../client/client.ts';
import type { createClient } from '../client/new-client.ts';
import type { httpsTransport } from '../client/transports/https.ts';
import type { ClusterContext } from './context.ts';
import { serverUrl } from './node-config.ts';
import { profilePaths } from './paths.ts';
import type { Profile } from './profile.ts';
import { errorCode } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { failure } from './reasons.ts';

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

/** Runs `work` with a client of the profile's API, as the administrator, and closes it. Throws APISERVER_UNREACHABLE, APISERVER_ERROR. */
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
  } catch (error) {
    throw apiFailure(error, profile);
  } finally {
    await client.close();
    await close();
  }
}

const NO_ANSWER = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
];

/** A refusal of the API and an API that does not answer, told as such; anything else as it is. */
function apiFailure(error: unknown, profile: Profile): unknown {
  if (error instanceof StatusError) return failure('APISERVER_ERROR', `the API server refused: ${error.message}`, { cause: error });
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = errorCode(cause);
    if (code && NO_ANSWER.includes(code))
      return failure('APISERVER_UNREACHABLE', `the API server at ${serverUrl(profile)} does not answer`, { cause: error });
  }
  return error;
}
