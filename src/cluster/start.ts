/** `rockpool start`: the order of things is the list in `startCluster`. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import { addonFiles, loadAddons } from './addons.ts';
import type { Addon } from './addons.ts';
import { loadClient, withApi } from './api.ts';
import type { ClusterContext } from './context.ts';
import type { Driver } from './driver.ts';
import { chooseDriver } from './drivers/choose.ts';
import { writeFileAtomic } from './files.ts';
import { checkKubeconfig, mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts';
import type { KubeconfigEntry } from './kubeconfig.ts';
import { withLock } from './lock.ts';
import { CLUSTER_DOMAIN, nodeConfig, serverUrl } from './node-config.ts';
import { profilePaths } from './paths.ts';
import { ensurePki } from './pki/pki.ts';
import type { Pki } from './pki/pki.ts';
import { checkProfileName, readProfile, removeProfile, writeProfile } from './profile.ts';
import type { Profile } from './profile.ts';
import { untilReady } from './ready.ts';
import { isReason } from './reasons.ts';
import { profileFor } from './start-request.ts';
import type { StartRequest } from './start-request.ts';
import { Timeline } from './timeline.ts';
import { KUBERNETES_VERSION, checkKubernetesVersion } from './version.ts';
import { userFile } from './user-file.ts';

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

const STOP_MS = 10_000;
/** A node that goes away again has nothing to bring in order. */
const ABANDON_MS = 500;

/** Brings the profile's cluster up and points kubectl at it. What a failed or interrupted start made is taken back. Throws RockpoolError. */
export async function startCluster(request: StartRequest, context: ClusterContext): Promise<StartResult> {
  checkProfileName(request.name);
  checkKubernetesVersion(request.kubernetesVersion ?? KUBERNETES_VERSION);
  const { lock } = profilePaths(context.home, request.name);
  if (request.dryRun) return plannedOnly(request, context);
  return withLock(lock, { clock: context.clock, purpose: 'start', signal: context.signal }, async () => {
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
  const timeline = new Timeline(clock);
  const began = clock.monotonic();
  const existing = await readProfile(home, request.name);
  if (!existing) undo.add(() => removeProfile(home, request.name));

  // 1. A driver first: what else can be asked for depends on it.
  const { driver, reason } = await timeline.during('driver', chooseDriver(request.driver, existing, context));
  progress.step('driver', `Using the ${driver.name} driver (${reason})`);
  if (driver.name === 'sim')
    progress.info('Pods are simulated: objects, events, addresses, logs and services are real, containers are modelled.');

  // 2. Whatever could make the end impossible is found out before anything is made.
  const addons = await loadAddons(context.packageRoot);
  await checkKubeconfig(request.name, context);
  const asked = await profileFor(request, existing, { driver, addons, now: clock.now() });

  // 3. to 5. A node that runs already is left as it is.
  const running = existing !== undefined && (await driver.state(existing)) === 'Running';
  const ground: Ground = { driver, addons, existing, request, timeline, context, undo };
  const profile = running ? await keepRunning(existing, asked, ground) : await bringUp(asked, ground);

  // 6. kubectl is pointed at it while the node becomes Ready.
  progress.step('ready', 'Waiting for the node to be Ready');
  const timeoutMs = Math.max(1_000, request.waitTimeoutMs - (clock.monotonic() - began));
  const entry = await kubeconfigEntry(profile, request, context);
  const ready = withApi(profile, context, (client) => untilReady(client, { nodeName: profile.name, clock, timeoutMs, signal }));
  if (!existing) undo.add(() => removeFromKubeconfig(profile.name, context));
  const [kubeconfig] = await bothSettled(
    timeline.during('kubeconfig', mergeKubeconfig(entry, context)),
    timeline.during('ready', ready).catch((error: unknown) => keepLog(error, { driver, profile, context })),
  );
  const finished: Profile = { ...profile, state: 'created' };
  await writeProfile(home, finished);
  undo.clear();
  const elapsedMs = clock.monotonic() - began;
  progress.step('done', `Kubernetes ${KUBERNETES_VERSION} is ready in ${(elapsedMs / 1000).toFixed(1)} s`);
  return { profile: finished, server: serverUrl(profile), kubeconfig, wasRunning: running, timeline, elapsedMs };
}

interface Ground {
  driver: Driver;
  addons: ReadonlyMap<string, Addon>;
  existing: Profile | undefined;
  request: StartRequest;
  timeline: Timeline;
  context: ClusterContext;
  undo: UndoList;
}

async function bringUp(asked: Profile, { driver, addons, existing, request, timeline, context, undo }: Ground): Promise<Profile> {
  const { home, clock, progress, signal } = context;
  // 3. The image, addresses: slow once, then a few questions to the engine.
  progress.step('image', driver.name === 'docker' ? 'Looking for the node image' : 'Preparing the node');
  const { profile, undo: undoPlan } = await timeline.during('plan', driver.plan(asked, signal));
  undo.add(undoPlan);
  await writeProfile(home, profile);

  // 4. Certificates while the engine makes network, volume and container.
  progress.step('create', existing ? `Making ready node "${profile.name}"` : `Making node "${profile.name}"`);
  const [pki] = await bothSettled(
    timeline.during('certificates', ensureProfilePki(profile, context)),
    timeline.during('container', driver.prepare(profile, signal)).then((undoPrepare) => undo.add(undoPrepare)),
  );

  // 5. The node boots and reports; a stop, not a removal, takes this back when the cluster is an old one.
  progress.step('boot', `Starting Kubernetes ${KUBERNETES_VERSION}`);
  const paths = profilePaths(home, profile.name);
  const audit = await userFile(request.auditPolicy, { what: 'audit policy', copy: paths.auditPolicy });
  const scheduler = await userFile(request.schedulerConfig, { what: 'scheduler configuration', copy: paths.schedulerConfiguration });
  const config = nodeConfig(driver, profile, { ...request, auditPolicy: audit.text, schedulerConfiguration: scheduler.text });
  const files = { config, pki: pki.files, addons: addonFiles(addons, profile.addons) };
  undo.add(() => driver.stop(profile, { timeoutMs: existing ? STOP_MS : ABANDON_MS }));
  const from = clock.monotonic();
  const booting = timeline.during('node', driver.start(profile, files, { timeoutMs: request.waitTimeoutMs, signal }));
  const [report] = await Promise.all([booting, loadClient()]).catch((error: unknown) => keepLog(error, { driver, profile, context }));
  await Promise.all([audit.keep(), scheduler.keep()]);
  if (report) timeline.addPhases(from, report.phases);
  return profile;
}

/** Addons that were asked for are enabled; what only a restart could change is told, not done behind its user's back. */
async function keepRunning(existing: Profile, asked: Profile, { driver, addons, context, request }: Ground): Promise<Profile> {
  const profile: Profile = { ...existing, addons: asked.addons };
  const waiting = (['listenAddress', 'apiPort', 'ports', 'cpus', 'memoryMiB', 'simNodes'] as const).filter(
    (field) => JSON.stringify(existing[field]) !== JSON.stringify(asked[field]),
  );
  if (request.auditPolicy !== undefined || request.schedulerConfig !== undefined)
    context.progress.warn('the cluster is running: its audit policy and scheduler configuration cannot change until it is stopped');
  if (waiting.length > 0) context.progress.warn(`the cluster is running: ${waiting.join(', ')} cannot change until it is stopped`);
  if (existing.addons.join() !== asked.addons.join()) await driver.writeAddons(profile, addonFiles(addons, profile.addons));
  return profile;
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

async function kubeconfigEntry(profile: Profile, { keepContext }: StartRequest, { home }: ClusterContext): Promise<KubeconfigEntry> {
  const { pki } = profilePaths(home, profile.name);
  const read = (name: string): Promise<string> => readFile(join(pki, name), 'utf8');
  const [caCert, clientCert, clientKey] = await Promise.all([read('ca.crt'), read('components/admin.crt'), read('components/admin.key')]);
  return { name: profile.name, server: serverUrl(profile), caCert, clientCert, clientKey, keepContext };
}

async function plannedOnly(request: StartRequest, context: ClusterContext): Promise<StartResult> {
  const existing = await readProfile(context.home, request.name);
  const { driver, reason } = await chooseDriver(request.driver, existing, context);
  context.progress.step('driver', `Would use the ${driver.name} driver (${reason})`);
  const profile = await profileFor(request, existing, { driver, addons: await loadAddons(context.packageRoot), now: context.clock.now() });
  await checkKubeconfig(request.name, context);
  return { profile, server: serverUrl(profile), wasRunning: false, timeline: new Timeline(context.clock), elapsedMs: 0 };
}

function ensureProfilePki(profile: Profile, { home, clock }: ClusterContext): Promise<Pki> {
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
  return ensurePki(profilePaths(home, profile.name).pki, subjects, clock);
}

/** As Promise.all, but a failure is told only when the other work has ended as well: what is taken back must not be made meanwhile. */
async function bothSettled<A, B>(first: Promise<A>, second: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([first, second]);
  return Promise.all([first, second]);
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
