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

/** The dashboard's address from this machine; the addon is enabled when it was not. */
export async function dashboardUrl(profile: Profile, context: ClusterContext): Promise<string> {
  if (!profile.addons.includes(ADDON)) await changeAddons(profile.name, { names: [ADDON], enable: true, timeoutMs: TIMEOUT_MS }, context);
  const driver = await openDriver(profile.driver, context);
  const options = { reach: (port: number) => driver.reach(profile, port), https: false };
  const [found] = await withApi(profile, context, (client) => serviceUrls(client, SERVICE, options));
  return found!.url;
}
