/** What a node container needs done once inside before containers can run in it (the engine mounts these read-only or private). */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

const CGROUP_ROOT = '/sys/fs/cgroup';

/** Safe to repeat. Each step that the engine has already done, or forbids, is logged and passed over; what depends on it says so itself. */
export async function prepareNode(log: Logger): Promise<void> {
  const remounts = cgroupMounts().map((path) => ['-o', 'remount,rw,bind', path]);
  await Promise.all([...remounts, ['-o', 'remount,rw,bind', '/proc/sys']].map((args) => mount(args, log)));
  await mount(['--make-rshared', '/'], log);
  if (existsSync(join(CGROUP_ROOT, 'cgroup.controllers'))) leaveRootCgroup(log);
  sysctl('net/ipv4/ip_forward', '1', log);
  sysctl('fs/inotify/max_user_instances', '8192', log);
}

function cgroupMounts(): string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(CGROUP_ROOT));
}

async function mount(args: readonly string[], log: Logger): Promise<void> {
  const result = await execa('mount', args, { reject: false, timeout: 5_000 });
  if (result.failed) log.debug('mount', { args: args.join(' '), error: result.stderr || result.shortMessage });
}

/** cgroup v2 lets a group have processes or controllers for its children, not both: ours move to a child of their own. */
function leaveRootCgroup(log: Logger): void {
  try {
    const own = join(CGROUP_ROOT, 'init');
    mkdirSync(own, { recursive: true });
    for (const pid of readFileSync(join(CGROUP_ROOT, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      writeFileSync(join(own, 'cgroup.procs'), pid);
    const controllers = readFileSync(join(CGROUP_ROOT, 'cgroup.controllers'), 'utf8').trim().split(' ');
    writeFileSync(join(CGROUP_ROOT, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
  } catch (error) {
    log.warn('cgroup v2 could not be prepared', { error: errorMessage(error), there: readdirSync(CGROUP_ROOT).length });
  }
}

function sysctl(name: string, value: string, log: Logger): void {
  try {
    const path = join('/proc/sys', name);
    if (Number(readFileSync(path, 'utf8')) < Number(value)) writeFileSync(path, value);
  } catch (error) {
    log.warn('a kernel setting could not be raised', { name, error: errorMessage(error) });
  }
}
