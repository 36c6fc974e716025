/** The node as a background process of this machine, with simulated pods. */
import { access, mkdir, open, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { nodeFlags } from '../../../lib/node-config.ts';
import type { ClusterContext } from '../../context.ts';
import type { AddonFiles, Availability, Driver, HostState, NodeFiles, NodeLayout } from '../../driver.ts';
import { readIfExists, writeFileAtomic } from '../../files.ts';
import { requireFree } from '../../ports.ts';
import { profilePaths } from '../../paths.ts';
import { processStart, signalProcess } from '../../processes.ts';
import { type Profile, listProfileNames, readProfile } from '../../profile.ts';
import { failure, isReason } from '../../reasons.ts';
import { requireReady } from '../../node-report.ts';
import type { ReadyReport } from '../../node-report.ts';
import { followFile } from './follow-file.ts';
import { awaitReport } from './report-file.ts';

const NEEDED = [22, 18] as const;
const POLL_MS = 10;
const KILL_WAIT_MS = 5_000;

interface NodeProcess {
  pid: number;
  start: string;
}

/** The node as a process in the background of this machine, with simulated pods. */
export function simDriver(context: ClusterContext): Driver {
  const paths = (profile: Profile) => profilePaths(context.home, profile.name);
  return {
    name: 'sim',
    available: async () => available(),
    plan: async (profile) => ({ profile: await plan(profile, context), undo: async () => {} }),
    layout: (profile) => layout(context, profile),
    prepare: async (profile) => {
      const { data, run } = paths(profile);
      await Promise.all([data, run].map((dir) => mkdir(dir, { recursive: true, mode: 0o700 })));
      // The profile's folder is the caller's; there is nothing else to take back.
      return async () => {};
    },
    start: (profile, files, options) => start(context, profile, files, options),
    stop: async (profile, { timeoutMs }) => stop(context, profile, timeoutMs),
    remove: async (profile) => {
      await stop(context, profile, KILL_WAIT_MS);
      const { data, run, addons, nodeConfig } = paths(profile);
      await Promise.all([data, run, addons, nodeConfig].map((path) => rm(path, { recursive: true, force: true })));
    },
    state: async (profile) => state(context, profile),
    // The profile's folder holds all there is.
    purge: async () => {},
    nodeAddress: () => '127.0.0.1',
    reach: (_, port) => ({ address: '127.0.0.1', port }),
    writeAddons: async (profile, addons) => writeAddons(paths(profile).addons, addons),
    exec: async () => {
      throw failure('DRIVER_UNSUPPORTED', 'the sim driver has no node to run a command in', {
        advice: ['Use the docker driver: `rockpool delete`, then `rockpool start --driver docker`.'],
      });
    },
    logs: (profile, options) => followFile(paths(profile).log, options),
    importImage: async () => {
      throw noImages();
    },
    exportImage: async () => {
      throw noImages();
    },
    packages: async () => {
      throw noImages();
    },
  };
}

function noImages(): Error {
  return failure(
    'DRIVER_UNSUPPORTED',
    'containers are simulated here and images are not kept: a name that is known is modelled, any other runs as an idle process',
    {
      advice: ['For real containers use the docker driver in another profile: `rockpool start -p real --driver docker`.'],
    },
  );
}

async function available(): Promise<Availability> {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]))
    return { ok: true, detail: `Node.js ${process.versions.node}, ${availableParallelism()} cores` };
  const error = failure(
    'HOST_NODE_VERSION',
    `the sim driver needs Node.js ${NEEDED.join('.')} or newer, and this is ${process.versions.node}`,
  );
  return { ok: false, reason: error.message, error };
}

async function plan(profile: Profile, context: ClusterContext): Promise<Profile> {
  if (profile.ports.length > 0)
    throw failure('DRIVER_UNSUPPORTED', '--ports needs a node container: on sim, services answer on this machine already');
  if (profile.storage === 'etcd') throw failure('DRIVER_UNSUPPORTED', '--storage etcd needs the docker driver: sim brings no etcd');
  if (profile.cpus !== undefined || profile.memoryMiB !== undefined)
    throw failure('DRIVER_UNSUPPORTED', '--cpus and --memory need the docker driver: a simulated pod uses neither');
  return profile.state === 'creating' ? { ...profile, ...(await freeRanges(profile, context)) } : profile;
}

const RANGES = 60;
/** The node's DNS listens there at the first address of the pods' range. */
const SIM_DNS_PORT = 10_053;

/**
 * Pods and Services of a simulated cluster answer on loopback addresses of its own, 127.100.0.0/16 to 127.219.0.0/16 in pairs. The pair is drawn
 * from the profile's name and home, so that clusters of two people on one machine are unlikely to meet; those of one home never do.
 */
async function freeRanges(profile: Profile, { home }: ClusterContext): Promise<Pick<Profile, 'podCidr' | 'serviceCidr'>> {
  const names = (await listProfileNames(home)).filter((name) => name !== profile.name);
  const others = await Promise.allSettled(names.map((name) => readProfile(home, name)));
  // A profile that cannot be read has no cluster that could be in the way.
  const taken = new Set(others.map((other) => (other.status === 'fulfilled' ? other.value?.podCidr : undefined)));
  const first = createHash('sha256').update(`${home}\n${profile.name}`).digest().readUInt16BE() % RANGES;
  for (let step = 0; step < RANGES; step++) {
    const index = (first + step) % RANGES;
    const podCidr = `127.${100 + 2 * index}.0.0/16`;
    if (!taken.has(podCidr) && (await isUnused(podCidr))) return { podCidr, serviceCidr: `127.${101 + 2 * index}.0.0/16` };
  }
  throw failure('PROFILE_CONFLICT', `there are ${RANGES} simulated clusters already`);
}

/** Whether no other cluster's DNS listens at the range's first address, where that of this one would. */
async function isUnused(podCidr: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  try {
    await requireFree(podCidr.replace('.0.0/16', '.0.1'), SIM_DNS_PORT);
    return true;
  } catch (error) {
    if (isReason(error, 'PORT_IN_USE')) return false;
    throw error;
  }
}

function layout({ home }: ClusterContext, profile: Profile): NodeLayout {
  const { data, run, pki, addons } = profilePaths(home, profile.name);
  return {
    runtime: 'sim',
    dataDir: data,
    runDir: run,
    pkiDir: pki,
    addonsDir: addons,
    catalogueDir: join(home, 'catalogue'),
    bindAddress: profile.listenAddress,
    port: profile.apiPort,
    advertiseAddress: '127.0.0.1',
  };
}

async function start(
  context: ClusterContext,
  profile: Profile,
  files: NodeFiles,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<ReadyReport | undefined> {
  if ((await state(context, profile)) === 'Running') return undefined;
  const { nodeConfig, addons, log, pid: pidFile, run } = profilePaths(context.home, profile.name);
  const reportFile = join(run, 'report.json');
  await Promise.all([
    requireFree(profile.listenAddress, profile.apiPort),
    mkdir(run, { recursive: true, mode: 0o700 }).then(() => rm(reportFile, { force: true })),
    writeFileAtomic(nodeConfig, JSON.stringify(files.config, null, 2)),
    writeAddons(addons, files.addons),
  ]);
  const [output, errors] = await Promise.all([open(reportFile, 'a', 0o600), open(log, 'w', 0o600)]);
  try {
    const child = spawn(process.execPath, [...nodeFlags(files.config), join(context.packageRoot, 'dist', 'node.mjs'), nodeConfig], {
      detached: true,
      // Files, not pipes: the node must outlive this process and whoever reads from it.
      stdio: ['ignore', output.fd, errors.fd],
      cwd: run,
      env: { ...context.env, ROCKPOOL_COMPILE_CACHE: join(context.home, 'cache', 'compile') },
      windowsHide: true,
    });
    const ended = new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => resolve(code ?? 1));
    });
    // A spawn that failed has no pid; its error is told by awaitReport.
    if (child.pid !== undefined)
      await writeFileAtomic(
        pidFile,
        JSON.stringify({ pid: child.pid, start: (await processStart(child.pid)) ?? '' } satisfies NodeProcess),
      );
    const report = await awaitReport({ reportFile, log, ended, clock: context.clock, ...options });
    child.unref();
    return requireReady(report);
  } finally {
    await Promise.all([output.close(), errors.close()]);
  }
}

async function stop(context: ClusterContext, profile: Profile, timeoutMs: number): Promise<void> {
  const { pid: pidFile } = profilePaths(context.home, profile.name);
  const node = await runningNode(pidFile);
  if (node) {
    signalProcess(node.pid, 'SIGTERM');
    if (!(await ends(context, node, timeoutMs))) {
      signalProcess(node.pid, 'SIGKILL');
      if (!(await ends(context, node, KILL_WAIT_MS))) throw failure('NODE_TIMEOUT', `process ${node.pid} does not end`);
    }
  }
  await rm(pidFile, { force: true });
}

async function ends({ clock }: ClusterContext, node: NodeProcess, timeoutMs: number): Promise<boolean> {
  const deadline = clock.monotonic() + timeoutMs;
  while ((await processStart(node.pid)) === node.start) {
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
}

async function state({ home }: ClusterContext, profile: Profile): Promise<HostState> {
  const { pid, data } = profilePaths(home, profile.name);
  if (await runningNode(pid)) return 'Running';
  const made = await access(data).then(
    () => true,
    () => false,
  );
  return made ? 'Stopped' : 'Absent';
}

/** Our process, if it is still the one that we started: a pid that was given to another program since is not ours. */
async function runningNode(pidFile: string): Promise<NodeProcess | undefined> {
  const text = await readIfExists(pidFile);
  if (!text) return undefined;
  const node = parseNodeProcess(text);
  return node && (await processStart(node.pid)) === node.start ? node : undefined;
}

function parseNodeProcess(text: string): NodeProcess | undefined {
  try {
    const value = JSON.parse(text) as Partial<NodeProcess>;
    return Number.isInteger(value.pid) && value.pid! > 1 && typeof value.start === 'string' && value.start !== ''
      ? (value as NodeProcess)
      : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function writeAddons(dir: string, { files, absent }: AddonFiles): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await Promise.all(absent.map((name) => rm(join(dir, name), { recursive: true, force: true })));
  await Promise.all([...files].map(([name, text]) => writeFileAtomic(join(dir, name), text)));
}
