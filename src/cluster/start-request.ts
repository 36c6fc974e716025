import { requireAddons } from './addons.ts';
import type { Addon } from './addons.ts';
import type { Driver } from './driver.ts';
import { freePort } from './ports.ts';
import type { Profile, StorageKind } from './profile.ts';
import { failure } from './reasons.ts';

export interface StartRequest {
  name: string;
  driver?: string;
  kubernetesVersion?: string;
  storage?: StorageKind;
  listenAddress?: string;
  /** 0 takes a free one. */
  apiPort?: number;
  simNodes?: number;
  cpus?: number;
  memoryMiB?: number;
  ports?: readonly string[];
  /** Enabled besides the usual ones. */
  addons?: readonly string[];
  waitTimeoutMs: number;
  keepContext: boolean;
  traceStartup: boolean;
  /** A file with an audit policy; the empty text turns auditing off. As before unless given. */
  auditPolicy?: string;
  /** Path of a KubeSchedulerConfiguration; the empty text returns to the defaults. */
  schedulerConfig?: string;
  /** Scheduler, controllers and kubelet as processes of their own. */
  splitProcesses?: boolean;
  /** How long the past of the store stays readable, in milliseconds. */
  compactionIntervalMs?: number;
  dryRun: boolean;
}

export interface ProfileGround {
  driver: Driver;
  addons: ReadonlyMap<string, Addon>;
  now: number;
}

/** The profile as asked for: an existing one keeps what this command does not name. Throws PROFILE_CONFLICT for what cannot change. */
export async function profileFor(
  request: StartRequest,
  existing: Profile | undefined,
  { driver, addons, now }: ProfileGround,
): Promise<Profile> {
  requireAddons(addons, request.addons ?? []);
  const listenAddress = request.listenAddress ?? existing?.listenAddress ?? '127.0.0.1';
  const apiPort = await chooseApiPort(request.apiPort, existing, listenAddress);
  const usual =
    existing?.addons.filter((name) => addons.has(name)) ?? [...addons.values()].filter((addon) => addon.default).map(({ name }) => name);
  if (existing && request.storage && request.storage !== existing.storage) {
    throw failure('PROFILE_CONFLICT', `profile "${existing.name}" keeps its state in ${existing.storage}, and that cannot change`);
  }
  const base: Profile = existing ?? {
    schema: 1,
    name: request.name,
    driver: driver.name,
    storage: request.storage ?? (driver.name === 'sim' ? 'embedded' : 'etcd'),
    created: new Date(now).toISOString(),
    listenAddress,
    apiPort,
    podCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/12',
    nodePortRange: '30000-32767',
    addons: [],
    ports: [],
    simNodes: 0,
    state: 'creating',
  };
  return {
    ...base,
    listenAddress,
    apiPort,
    addons: [...new Set([...usual, ...(request.addons ?? [])])].toSorted(),
    ports: [...(request.ports ?? base.ports)],
    simNodes: request.simNodes ?? base.simNodes,
    ...(request.cpus === undefined ? {} : { cpus: request.cpus }),
    ...(request.memoryMiB === undefined ? {} : { memoryMiB: request.memoryMiB }),
  };
}

async function chooseApiPort(asked: number | undefined, existing: Profile | undefined, address: string): Promise<number> {
  if (asked !== undefined && asked > 0) return asked;
  if (asked === undefined && existing) return existing.apiPort;
  return freePort(address === '0.0.0.0' ? '127.0.0.1' : address);
}
