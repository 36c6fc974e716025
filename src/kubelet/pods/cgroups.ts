/** The cgroups of pods: kubepods, a level for the QoS class, one for each pod with its limits. containerd makes those of containers below. */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pod } from '../../api/types.gen.ts';
import { errorCode } from '../../lib/errors.ts';
import { type CgroupLimits, CPU_PERIOD, podLimits, qosClass } from './qos.ts';

export interface Cgroups {
  /**
   * Makes the pod's cgroup with its limits, or gives it those that the pod has by now; returns the parent to give to the runtime. With
   * `before` it gets the wider ones of both, for the time in which its containers change from one to the other.
   */
  create(pod: Pod, options?: { before?: Pod }): Promise<string>;
  /** Removes it again; gone already is fine. What still has processes stays, and is tried again by the caller. */
  remove(podUid: string): Promise<void>;
}

/** `root` is `/sys/fs/cgroup` but for tests; `parent` is kubepods unless the node lives in a cgroup of its own. */
export function createCgroups({ root = '/sys/fs/cgroup', parent = 'kubepods' }: { root?: string; parent?: string } = {}): Cgroups {
  let layout: Promise<Layout> | undefined;
  const known = (): Promise<Layout> => (layout ??= detectLayout(root));
  return {
    async create(pod, { before } = {}) {
      const cgroup = cgroupOf(parent, pod);
      const { unified, controllers } = await known();
      const limits = before ? widest(podLimits(before), podLimits(pod)) : podLimits(pod);
      if (unified) await createUnified(root, cgroup, limits);
      else await Promise.all(controllers.map((controller) => createLegacy(path.join(root, controller), { controller, cgroup, limits })));
      return `/${cgroup}`;
    },
    async remove(podUid) {
      const { unified, controllers } = await known();
      // on hybrid systems the runtime makes them in the unified hierarchy as well
      const bases = unified ? [root] : [...controllers, 'unified'].map((controller) => path.join(root, controller));
      for (const base of bases) {
        for (const level of ['', 'burstable', 'besteffort']) await removeTree(path.join(base, parent, level, `pod${podUid}`));
      }
    },
  };
}

/** For a runtime without processes of its own (sim). */
export const noCgroups: Cgroups = { create: () => Promise.resolve(''), remove: () => Promise.resolve() };

interface Layout {
  unified: boolean;
  /** v1: mounted controllers that can be written to. */
  controllers: string[];
}

const V2_CONTROLLERS = ['cpu', 'memory', 'pids', 'cpuset', 'io'];
const LEGACY_CONTROLLERS = [
  'cpu',
  'cpuacct',
  'cpu,cpuacct',
  'cpuset',
  'memory',
  'pids',
  'blkio',
  'devices',
  'freezer',
  'systemd',
  'hugetlb',
  'net_cls',
  'perf_event',
];

async function detectLayout(root: string): Promise<Layout> {
  const names = new Set(await readdir(root));
  return names.has('cgroup.controllers')
    ? { unified: true, controllers: [] }
    : { unified: false, controllers: LEGACY_CONTROLLERS.filter((name) => names.has(name)) };
}

/** No limit is wider than any. */
function widest(a: CgroupLimits, b: CgroupLimits): CgroupLimits {
  const most = (x: number | undefined, y: number | undefined): number | undefined =>
    x === undefined || y === undefined ? undefined : Math.max(x, y);
  return {
    cpuShares: Math.max(a.cpuShares, b.cpuShares),
    cpuQuota: most(a.cpuQuota, b.cpuQuota),
    memoryLimitBytes: most(a.memoryLimitBytes, b.memoryLimitBytes),
  };
}

/** Guaranteed pods stand directly below kubepods, as upstream. */
function cgroupOf(parent: string, pod: Pod): string {
  const qos = qosClass(pod);
  return path.join(parent, qos === 'Guaranteed' ? '' : qos.toLowerCase(), `pod${pod.metadata.uid}`);
}

async function createLegacy(
  base: string,
  { controller, cgroup, limits }: { controller: string; cgroup: string; limits: CgroupLimits },
): Promise<void> {
  const folder = path.join(base, cgroup);
  if (controller === 'cpuset') {
    // an empty cpuset takes no process: each level inherits from the one above
    let at = base;
    for (const part of cgroup.split('/')) {
      await mkdir(path.join(at, part), { recursive: true });
      for (const file of ['cpuset.cpus', 'cpuset.mems']) await inherit(at, path.join(at, part), file);
      at = path.join(at, part);
    }
    return;
  }
  await mkdir(folder, { recursive: true });
  if (controller.split(',').includes('cpu')) {
    await writeFile(path.join(folder, 'cpu.shares'), String(limits.cpuShares));
    if (limits.cpuQuota !== undefined) {
      await writeFile(path.join(folder, 'cpu.cfs_period_us'), String(CPU_PERIOD));
      await writeFile(path.join(folder, 'cpu.cfs_quota_us'), String(limits.cpuQuota));
    }
  }
  if (controller === 'memory' && limits.memoryLimitBytes !== undefined)
    await writeFile(path.join(folder, 'memory.limit_in_bytes'), String(limits.memoryLimitBytes));
}

async function inherit(from: string, to: string, file: string): Promise<void> {
  if ((await readFile(path.join(to, file), 'utf8')).trim() !== '') return;
  await writeFile(path.join(to, file), (await readFile(path.join(from, file), 'utf8')).trim());
}

async function createUnified(root: string, cgroup: string, limits: CgroupLimits): Promise<void> {
  let at = root;
  for (const part of cgroup.split('/')) {
    await enableControllers(at);
    at = path.join(at, part);
    await mkdir(at, { recursive: true });
  }
  // shares 2..262144 to weight 1..10000: KEP-2254
  const weight = 1 + Math.floor(((limits.cpuShares - 2) * 9999) / 262_142);
  await writeIfThere(path.join(at, 'cpu.weight'), String(weight));
  if (limits.cpuQuota !== undefined) await writeIfThere(path.join(at, 'cpu.max'), `${limits.cpuQuota} ${CPU_PERIOD}`);
  if (limits.memoryLimitBytes !== undefined) await writeIfThere(path.join(at, 'memory.max'), String(limits.memoryLimitBytes));
}

async function enableControllers(folder: string): Promise<void> {
  const available = (await readFile(path.join(folder, 'cgroup.controllers'), 'utf8')).trim().split(' ');
  const enabled = (await readFile(path.join(folder, 'cgroup.subtree_control'), 'utf8')).trim().split(' ');
  const wanted = V2_CONTROLLERS.filter((name) => available.includes(name) && !enabled.includes(name));
  if (wanted.length > 0) await writeFile(path.join(folder, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '));
}

async function writeIfThere(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'r+' });
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function removeTree(folder: string): Promise<void> {
  let names: string[];
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw error;
  }
  for (const name of names) await removeTree(path.join(folder, name));
  try {
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
