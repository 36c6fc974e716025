import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import { removeFromKubeconfig } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { profilePaths } from './paths.ts';
import { profilesDir } from './paths.ts';
import { listProfileNames, readProfile, removeProfile, requireProfile } from './profile.ts';
import type { Profile } from './profile.ts';
import { isReason } from './reasons.ts';
import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

const STOP_MS = 30_000;

/** Stops the node; state, certificates and the kubeconfig entry stay. Resolves with whether it ran. */
export async function stopCluster(name: string, context: ClusterContext): Promise<boolean> {
  return withLock(profilePaths(context.home, name).lock, { clock: context.clock, purpose: 'stop' }, async () => {
    const profile = await requireProfile(context.home, name);
    const driver = await openDriver(profile.driver, context);
    const ran = (await driver.state(profile)) === 'Running';
    context.progress.step('stop', `Stopping node "${name}"`);
    await driver.stop(profile, { timeoutMs: STOP_MS });
    return ran;
  });
}

/** Removes node, state, certificates and the kubeconfig entry; succeeds when there is nothing. Resolves with whether there was something. */
export async function deleteCluster(name: string, context: ClusterContext, { purge }: { purge: boolean }): Promise<boolean> {
  const { lock, dir } = profilePaths(context.home, name);
  if (!(await listProfileNames(context.home)).includes(name)) return false;
  await withLock(lock, { clock: context.clock, purpose: 'delete' }, async () => {
    context.progress.step('delete', `Deleting "${name}"`);
    const profile = await profileToDelete(name, context, purge);
    if (profile) {
      await (await openDriver(profile.driver, context)).remove(profile);
      await removeFromKubeconfig(name, context);
    }
    await removeProfile(context.home, name);
  });
  await rm(dir, { recursive: true, force: true });
  return true;
}

/** Deletes every profile, and with `purge` the whole folder: caches of packages and the engine's node images too. */
export async function deleteAll(context: ClusterContext, { purge }: { purge: boolean }): Promise<string[]> {
  const names = await listProfileNames(context.home);
  for (const name of names) await deleteCluster(name, context, { purge });
  if (purge) await purgeShared(context);
  else await removeIfEmpty(profilesDir(context.home));
  return names;
}

async function purgeShared(context: ClusterContext): Promise<void> {
  const docker = await openDriver('docker', context);
  if ((await docker.available(context.signal)).ok) await docker.purge();
  await rm(context.home, { recursive: true, force: true });
}

/** A corrupt profile cannot say which driver has its node: `--purge` removes what is on this machine, and both drivers are asked by name. */
async function profileToDelete(name: string, context: ClusterContext, purge: boolean): Promise<Profile | undefined> {
  try {
    return await readProfile(context.home, name);
  } catch (error) {
    if (!purge || !isReason(error, 'PROFILE_CORRUPT')) throw error;
  }
  const assumed = { name, listenAddress: '127.0.0.1' } as Profile;
  for (const driverName of ['sim', 'docker'] as const) {
    const driver = await openDriver(driverName, context);
    if ((await driver.available(context.signal)).ok) await driver.remove(assumed);
  }
  await removeFromKubeconfig(name, context);
  return undefined;
}

async function removeIfEmpty(dir: string): Promise<void> {
  const left = await readdir(dir).catch((): string[] => [join(dir, 'absent')]);
  if (left.length === 0) await rmdir(dir);
}
