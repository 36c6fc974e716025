import type { ClusterContext } from '../context.ts';
import type { Driver } from '../driver.ts';
import type { DriverName, Profile } from '../profile.ts';
import { failure } from '../reasons.ts';

/** The order in which drivers are tried: real containers when they can be had. */
const DRIVERS: readonly DriverName[] = ['docker', 'sim'];

export interface DriverChoice {
  driver: Driver;
  /** Why it is this one, for people. */
  reason: string;
}

/** The driver of a profile that exists. Its module is loaded here: the docker one brings much with it. */
export async function openDriver(name: DriverName, context: ClusterContext): Promise<Driver> {
  if (name === 'docker') return (await import('./docker/docker-driver.ts')).dockerDriver(context);
  return (await import('./sim/sim-driver.ts')).simDriver(context);
}

/** The profile's driver, the one asked for, or the first that can serve. Throws DRIVER_CONFLICT, DRIVER_UNKNOWN, or what keeps it from serving. */
export async function chooseDriver(
  asked: string | undefined,
  existing: Profile | undefined,
  context: ClusterContext,
): Promise<DriverChoice> {
  if (asked !== undefined && !isDriver(asked)) throw unknownDriver(asked);
  if (existing && asked !== undefined && asked !== existing.driver)
    throw failure('DRIVER_CONFLICT', `profile "${existing.name}" was made with the ${existing.driver} driver`);
  const named = existing?.driver ?? asked;
  if (named) return { driver: await requireAvailable(named, context), reason: existing ? 'as before' : 'as you asked' };
  const passed: string[] = [];
  for (const name of DRIVERS) {
    const driver = await openDriver(name, context);
    const answer = await driver.available(context.signal);
    if (answer.ok) return { driver, reason: passed.length > 0 ? passed.join('; ') : answer.detail };
    passed.push(`${name} cannot serve: ${answer.reason}`);
  }
  throw failure('DRIVER_UNAVAILABLE', passed.join('; '));
}

async function requireAvailable(name: DriverName, context: ClusterContext): Promise<Driver> {
  const driver = await openDriver(name, context);
  const answer = await driver.available(context.signal);
  if (!answer.ok) throw answer.error;
  return driver;
}

function isDriver(name: string): name is DriverName {
  return (DRIVERS as readonly string[]).includes(name);
}

function unknownDriver(name: string): Error {
  if (name === 'host')
    return failure('DRIVER_UNSUPPORTED', 'the host driver is not part of this release', {
      advice: ['Use `--driver docker` or `--driver sim`.'],
    });
  return failure('DRIVER_UNKNOWN', `there is no driver "${name}"`);
}
