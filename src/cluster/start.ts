/** `rockpool start`: the order of things is the list in `startCluster`. */
import { join } from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import type { ClusterContext } from './context.ts';
import { addonFiles, loadAddons, requireAddons } from './addons.ts';
import type { Addon } from './addons.ts';
import type { Driver } from './driver.ts';
import { chooseDriver } from './drivers/choose.ts';
import { writeFileAtomic } from './files.ts';
import type { KubeconfigEntry } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { CLUSTER_DOMAIN, nodeConfig, serverUrl } from './node-config.ts';
import { profilePaths } from './paths.ts';
import type { Pki, ensurePki } from './pki/pki.ts';
import { freePort } from './ports.ts';
import type { Profile, StorageKind } from './profile.ts';
import { checkProfileName, readProfile, removeProfile, writeProfile } from './profile.ts';
import { failure, isReason } from './reasons.ts';
import { Timeline } from './timeline.ts';
import { KUBERNETES_VERSION, checkKubernetesVersion } from './version.ts';

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
  dryRun: boolean;
}

export interface StartResult {
  profile: Profile;
  server: string;
  /** The kubeconfig file that was written; none for a dry run. */
  kubeconfig?: string;
  /** Whether the node ran already. */
  wasRunning: boolean;
  timeline: Timeline;
  elapsedMs: number;
}

const LOCK_WAIT_MS = 0;
const STOP_MS = 10_000;
/** A node that goes away again has nothing to bring in order. */
const ABANDON_MS = 500;

export async function startCluster(request: StartRequest, context: ClusterContext): Promise<StartResult> {
  checkProfileName(request.name);
  checkKubernetesVersion(request.kubernetesVersion ?? KUBERNETES_VERSION);
  const { lock } = profilePaths(context.home, request.name);
  if (request.dryRun) return plannedOnly(request, context);
  return withLock(lock, { clock: context.clock, purpose: 'start', waitMs: LOCK_WAIT_MS, signal: context.signal }, async () => {
    const undo = new UndoList(context);
    try {
      return await start(request, context, undo);
    } catch (error) {
      await undo.run();
      throw error;
    }
  });
}

async function start(request: StartRequest, context: ClusterContext, undo: UndoList): Promise<StartResult> {
  const { home, clock, progress, signal } = context;
  const began = clock.monotonic();
  const timeline = new Timeline(clock);
  const existing = await readProfile(home, request.name);
  if (!existing) undo.add(() => removeProfile(home, request.name));
  // Modules that are needed while the node boots are read while the engine is asked.
  const later = Promise.all([import('./kubeconfig.ts'), import('./pki/pki.ts'), import('./ready.ts'), import('./api.ts')]);
  later.catch((): void => {});

  // 1. A driver first: what else can be asked for depends on it.
  const { driver, reason } = await timeline.during('driver', chooseDriver(request.driver, existing, context));
  progress.step('driver', `Using the ${driver.name} driver (${reason})`);
  if (driver.name === 'sim')
    progress.info('Pods are simulated: objects, events, addresses, logs and services are real, containers are modelled.');

  // 2. Whatever could make the end impossible is found out before anything is made.
  const addons = await loadAddons(context.packageRoot);
  const asked = await profileFor(request, existing, { driver, addons, now: clock.now() });
  const [kubeconfig, pkiModule, { untilReady }, { loadClient, withApi }] = await later;
  await kubeconfig.checkKubeconfig(request.name, context);

  // 3. The image, addresses: slow once, then a few questions to the engine.
  progress.step('image', driver.name === 'docker' ? 'Looking for the node image' : 'Preparing the node');
  const profile: Profile = await timeline.during('plan', driver.plan(asked, signal));
  await writeProfile(home, profile);

  // 4. Certificates while the engine makes network, volume and container.
  progress.step('create', existing ? `Making ready node "${profile.name}"` : `Making node "${profile.name}"`);
  const [pki, undoPrepare] = await Promise.all([
    timeline.during('certificates', ensureProfilePki(pkiModule.ensurePki, profile, context)),
    timeline.during('container', driver.prepare(profile, signal)),
  ]);
  undo.add(undoPrepare);

  // 5. The node boots and reports; a stop, not a removal, takes this back when the cluster is an old one.
  progress.step('boot', `Starting Kubernetes ${KUBERNETES_VERSION}`);
  const files = { config: nodeConfig(driver, profile, request), pki: pki.files, addons: addonFiles(addons, profile.addons) };
  undo.add(() => driver.stop(profile, { timeoutMs: existing ? STOP_MS : ABANDON_MS }));
  const bootedFrom = clock.monotonic();
  const booting = timeline.during('node', driver.start(profile, files, { timeoutMs: request.waitTimeoutMs, signal }));
  const [report] = await Promise.all([booting, loadClient()]).catch((error: unknown) => keepLog(error, { driver, profile, context }));
  if (report) timeline.addPhases(bootedFrom, report.phases);

  // 6. kubectl is pointed at it while the node becomes Ready.
  progress.step('ready', 'Waiting for the node to be Ready');
  const remaining = Math.max(1_000, request.waitTimeoutMs - (clock.monotonic() - began));
  if (!existing) undo.add(() => kubeconfig.removeFromKubeconfig(profile.name, context));
  const [file] = await Promise.all([
    timeline.during('kubeconfig', kubeconfig.mergeKubeconfig(kubeconfigEntry(profile, pki, request), context)),
    timeline
      .during(
        'ready',
        withApi(profile, context, (client) => untilReady(client, { nodeName: profile.name, clock, timeoutMs: remaining, signal })),
      )
      .catch((error: unknown) => keepLog(error, { driver, profile, context })),
  ]);
  const finished: Profile = { ...profile, state: 'created' };
  await writeProfile(home, finished);
  undo.clear();
  progress.step('done', `Kubernetes ${KUBERNETES_VERSION} is ready in ${((clock.monotonic() - began) / 1000).toFixed(1)} s`);
  return {
    profile: finished,
    server: serverUrl(profile),
    kubeconfig: file,
    wasRunning: report === undefined,
    timeline,
    elapsedMs: clock.monotonic() - began,
  };
}

/** A failed start is taken back, the node's log with it; so that somebody can learn from it, it is kept first. */
async function keepLog(
  error: unknown,
  { driver, profile, context }: { driver: Driver; profile: Profile; context: ClusterContext },
): Promise<never> {
  const isNodes = (['NODE_START', 'NODE_TIMEOUT', 'APISERVER_TIMEOUT'] as const).some((code) => isReason(error, code));
  if (context.signal.aborted || !isNodes) throw error;
  const lines: string[] = [];
  try {
    for await (const line of driver.logs(profile, { follow: false, tail: 5_000, signal: context.signal })) lines.push(line);
    const path = join(context.home, 'logs', `${profile.name}.log`);
    await writeFileAtomic(path, `${lines.join('\n')}\n`);
    context.progress.info(`The node's log is in ${path}`);
  } catch (failed) {
    context.progress.warn(`the node's log could not be kept: ${errorMessage(failed)}`);
  }
  throw error;
}

function kubeconfigEntry(profile: Profile, { files }: Pki, { keepContext }: StartRequest): KubeconfigEntry {
  const [caCert, clientCert, clientKey] = ['ca.crt', 'components/admin.crt', 'components/admin.key'].map((name) => files.get(name)!) as [
    string,
    string,
    string,
  ];
  return { name: profile.name, server: serverUrl(profile), caCert, clientCert, clientKey, keepContext };
}

async function plannedOnly(request: StartRequest, context: ClusterContext): Promise<StartResult> {
  const existing = await readProfile(context.home, request.name);
  const { driver, reason } = await chooseDriver(request.driver, existing, context);
  context.progress.step('driver', `Would use the ${driver.name} driver (${reason})`);
  const profile = await profileFor(request, existing, { driver, addons: await loadAddons(context.packageRoot), now: context.clock.now() });
  await (await import('./kubeconfig.ts')).checkKubeconfig(request.name, context);
  return { profile, server: serverUrl(profile), wasRunning: false, timeline: new Timeline(context.clock), elapsedMs: 0 };
}

interface ProfileGround {
  driver: Driver;
  addons: ReadonlyMap<string, Addon>;
  now: number;
}

/** The profile as asked for: an existing one keeps what this command does not name. Throws PROFILE_CONFLICT for what cannot change. */
async function profileFor(request: StartRequest, existing: Profile | undefined, { driver, addons, now }: ProfileGround): Promise<Profile> {
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

function ensureProfilePki(make: typeof ensurePki, profile: Profile, { home, clock }: ClusterContext): Promise<Pki> {
  const addresses = [profile.nodeIp, profile.listenAddress === '0.0.0.0' ? undefined : profile.listenAddress].filter(
    (address) => address !== undefined,
  );
  const subjects = {
    nodeName: profile.name,
    nodeAddresses: addresses,
    extraNames: ['host.docker.internal'],
    serviceCidr: profile.serviceCidr,
    clusterDomain: CLUSTER_DOMAIN,
  };
  return make(profilePaths(home, profile.name).pki, subjects, clock);
}

/** What to take back, last first, when a start does not end well. Every step is tried; a failure in one is told as a warning. */
class UndoList {
  readonly #context: ClusterContext;
  #steps: (() => Promise<void>)[] = [];

  constructor(context: ClusterContext) {
    this.#context = context;
  }

  add(step: () => Promise<void>): void {
    this.#steps.unshift(step);
  }

  clear(): void {
    this.#steps = [];
  }

  async run(): Promise<void> {
    for (const step of this.#steps) {
      try {
        await step();
      } catch (error) {
        this.#context.progress.warn(`could not take back what was made: ${errorMessage(error)}`);
      }
    }
    this.clear();
  }
}
