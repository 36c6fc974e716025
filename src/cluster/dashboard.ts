import type { AuthenticationV1TokenRequest } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { SERVICE_ACCOUNTS } from '../client/resources.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import type { Profile } from './profile.ts';
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

export interface DashboardAddress {
  url: string;
  /** The same with a token behind the `#`, which browsers do not send: the page takes it and erases it from the address. A secret. */
  signInUrl: string;
}

/** The dashboard's address from this machine; the addon is enabled when it was not. */
export async function dashboardAddress(profile: Profile, context: ClusterContext): Promise<DashboardAddress> {
  if (!profile.addons.includes(ADDON)) await changeAddons(profile.name, { names: [ADDON], enable: true, timeoutMs: TIMEOUT_MS }, context);
  const driver = await openDriver(profile.driver, context);
  const options = { reach: (port: number) => driver.reach(profile, port), https: false };
  return withApi(profile, context, async (client) => {
    const [[found], token] = await Promise.all([serviceUrls(client, SERVICE, options), signInToken(client)]);
    return { url: found!.url, signInUrl: `${found!.url}#token=${token}` };
  });
}

async function signInToken(client: Client): Promise<string> {
  const request: AuthenticationV1TokenRequest = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: {},
    spec: { audiences: [], expirationSeconds: TOKEN_SECONDS },
  };
  const answer = await client.resource(SERVICE_ACCOUNTS, SERVICE.namespace).subresource<AuthenticationV1TokenRequest>(ACCOUNT, 'token', 'POST', request);
  return answer.status!.token!;
}
