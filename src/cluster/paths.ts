import { join } from 'node:path';

/** Where things of one profile stand on this machine. */
export interface ProfilePaths {
  dir: string;
  /** The profile itself: what was asked for and what was chosen. */
  profile: string;
  lock: string;
  pki: string;
  nodeConfig: string;
  /** A copy of the audit policy that the cluster starts with, if any. */
  auditPolicy: string;
  /** A copy of the scheduler's configuration, if any. */
  schedulerConfiguration: string;
  /** sim: store, logs and sockets of the node process. */
  data: string;
  run: string;
  addons: string;
  log: string;
  pid: string;
}

/** The folder of Rockpool's state: ROCKPOOL_HOME, else ~/.rockpool. */
export function rockpoolHome(env: Readonly<Record<string, string | undefined>>, homedir: string): string {
  return env['ROCKPOOL_HOME'] || join(homedir, '.rockpool');
}

export function profilesDir(home: string): string {
  return join(home, 'profiles');
}

/** Where things of the profile stand; nothing is looked at or made. */
export function profilePaths(home: string, name: string): ProfilePaths {
  const dir = join(profilesDir(home), name);
  return {
    dir,
    profile: join(dir, 'profile.json'),
    lock: join(dir, 'lock'),
    pki: join(dir, 'pki'),
    nodeConfig: join(dir, 'node.json'),
    auditPolicy: join(dir, 'audit-policy.yaml'),
    schedulerConfiguration: join(dir, 'scheduler-configuration.yaml'),
    data: join(dir, 'data'),
    run: join(dir, 'run'),
    addons: join(dir, 'addons'),
    log: join(dir, 'node.log'),
    pid: join(dir, 'node.pid'),
  };
}
