import { errorMessage } from '../lib/errors.ts';
import type { ClusterContext } from './context.ts';
import { openDriver } from './drivers/choose.ts';
import { serverUrl } from './node-config.ts';
import { readProfile } from './profile.ts';
import { isReason } from './reasons.ts';

export interface ProfileSummary {
  name: string;
  driver: string;
  state: string;
  server: string;
  addons: string[];
  /** Why the state is not known. */
  problem?: string;
}

/** One line of `profile list`; a profile that cannot be read, or whose engine does not answer, is shown with its problem instead of failing the list. */
export async function profileSummary(name: string, context: ClusterContext): Promise<ProfileSummary> {
  try {
    const profile = await readProfile(context.home, name);
    if (!profile) return { name, driver: '', state: 'Unfinished', server: '', addons: [] };
    const known = { name, driver: profile.driver, server: serverUrl(profile), addons: profile.addons };
    try {
      return { ...known, state: await (await openDriver(profile.driver, context)).state(profile) };
    } catch (error) {
      return { ...known, state: 'Unknown', problem: errorMessage(error) };
    }
  } catch (error) {
    if (!isReason(error, 'PROFILE_CORRUPT') && !isReason(error, 'PROFILE_NAME')) throw error;
    return { name, driver: '', state: 'Corrupt', server: '', addons: [], problem: error.message };
  }
}
