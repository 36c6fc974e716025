import type { AuthenticationV1TokenRequest } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { SERVICE_ACCOUNTS } from '../client/resources.ts';
import { errorMessage } from '../lib/errors.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import type { Profile } from './profile.ts';
import { failure } from './reasons.ts';
import { serviceUrls } from './services.ts';
import { changeAddons } from './switch-addons.ts';

const ADDON = 'dashboard';
/** Where the addon's manifests put it. */
const SERVICE = { namespace: 'kube-system', name: 'dashboard' };
const TIMEOUT_MS = 120_000;

/** Who the browser is signed in as. */
const ACCOUNT = 'dashboard-admin';
/** A working day. */
const TOKEN_SECONDS = 8 * 3600;
const CODE_WAIT_MS = 10_000;
const CODE_RETRY_MS = 100;
const ANSWER_MS = 2_000;

export interface DashboardAddress {
  url: string;
  /** The same with a code behind the `#` that signs in once, within five minutes: what a browser's history keeps is worth nothing. */
  signInUrl: string;
}

/** The dashboard's address from this machine; the addon is enabled when it was not. */
export async function dashboardAddress(profile: Profile, context: ClusterContext): Promise<DashboardAddress> {
  if (!profile.addons.includes(ADDON)) await changeAddons(profile.name, { names: [ADDON], enable: true, timeoutMs: TIMEOUT_MS }, context);
  const driver = await openDriver(profile.driver, context);
  const options = { reach: (port: number) => driver.reach(profile, port), https: false };
  return withApi(profile, context, async (client) => {
    const [[found], token] = await Promise.all([serviceUrls(client, SERVICE, options), signInToken(client)]);
    const { url } = found!;
    return { url, signInUrl: `${url}/#code=${await oneTimeCode(url, token, context)}` };
  });
}

async function signInToken(client: Client): Promise<string> {
  const request: AuthenticationV1TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: {},
    spec: { audiences: [], expirationSeconds: TOKEN_SECONDS },
  };
  const answer = await client
    .resource(SERVICE_ACCOUNTS, SERVICE.namespace)
    .subresource<AuthenticationV1TokenRequest>(ACCOUNT, 'token', 'POST', request);
  return answer.status!.token!;
}

/** Leaves the token with the dashboard, for a code. Right after enabling, the way to it may take a moment to open. */
async function oneTimeCode(url: string, token: string, { clock, signal }: ClusterContext): Promise<string> {
  const deadline = clock.monotonic() + CODE_WAIT_MS;
  for (;;) {
    try {
      const limits = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      const answer = await fetch(`${url}/sign-in`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, signal: limits });
      if (!answer.ok) throw new Error(`it answered with status ${answer.status}`);
      return ((await answer.json()) as { code: string }).code;
    } catch (error) {
      signal.throwIfAborted();
      if (clock.monotonic() > deadline) throw failure('ADDON_TIMEOUT', `the dashboard at ${url}: ${errorMessage(error)}`, { cause: error });
    }
    await clock.sleep(CODE_RETRY_MS, signal);
  }
}
