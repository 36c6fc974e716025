import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import { requireProfile } from './profile.ts';
import type { Profile } from './profile.ts';
import { failure } from './reasons.ts';

/** The profile of a cluster whose node runs. Throws PROFILE_NOT_FOUND, NODE_NOT_RUNNING. */
export async function requireRunning(name: string, context: ClusterContext): Promise<Profile> {
  const profile = await requireProfile(context.home, name);
  const driver = await openDriver(profile.driver, context);
  if ((await driver.state(profile)) !== 'Running') throw failure('NODE_NOT_RUNNING', `the node of "${name}" is not running`);
  return profile;
}
