import { addonFiles, loadAddons, requireAddons, untilAddonGone, untilAddonReady } from './addons.ts';
import { withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import { withLock } from './lock.ts';
import { profilePaths } from './paths.ts';
import { readProfile, requireProfile, writeProfile } from './profile.ts';

export interface AddonSummary {
  name: string;
  description: string;
  enabled: boolean;
}

export interface AddonChange {
  names: readonly string[];
  enable: boolean;
  timeoutMs: number;
}

/** All addons, and which of them the profile has; without a profile, which a new one would have. */
export async function listAddons(name: string, context: ClusterContext): Promise<AddonSummary[]> {
  const [addons, profile] = await Promise.all([loadAddons(context.packageRoot), readProfile(context.home, name)]);
  return [...addons.values()].map((addon) => ({
    name: addon.name,
    description: addon.description,
    enabled: profile ? profile.addons.includes(addon.name) : addon.default,
  }));
}

/** Switches addons on or off; a running cluster is waited for, a stopped one follows at its next start. Resolves with what to do next. */
export async function changeAddons(name: string, { names, enable, timeoutMs }: AddonChange, context: ClusterContext): Promise<string[]> {
  const addons = await loadAddons(context.packageRoot);
  requireAddons(addons, names);
  return withLock(profilePaths(context.home, name).lock, { clock: context.clock, purpose: 'addons' }, async () => {
    const profile = await requireProfile(context.home, name);
    const others = profile.addons.filter((addon) => !names.includes(addon));
    const changed = { ...profile, addons: (enable ? [...others, ...names] : others).toSorted() };
    await writeProfile(context.home, changed);
    const driver = await openDriver(profile.driver, context);
    if ((await driver.state(profile)) !== 'Running') return ['The cluster is stopped; this takes effect when it starts.'];
    context.progress.step('addons', `${enable ? 'Enabling' : 'Disabling'} ${names.join(', ')}`);
    await driver.writeAddons(profile, addonFiles(addons, changed.addons));
    const options = { clock: context.clock, timeoutMs, signal: context.signal };
    await withApi(profile, context, async (client) => {
      await Promise.all(
        names.map((addon) => (enable ? untilAddonReady(client, addons.get(addon)!, options) : untilAddonGone(client, addon, options))),
      );
    });
    return enable ? names.flatMap((addon) => addons.get(addon)!.notes) : [];
  });
}
