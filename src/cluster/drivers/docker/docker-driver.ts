import { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import type { ClusterContext } from '../../context.ts';
import type { AddonFiles, Availability, Driver, HostState, LogOptions, NodeFiles, NodeLayout, Plan, Reachable } from '../../driver.ts';
import type { TarEntry } from '../../image/deb.ts';
import { directory, file, tarOf } from '../../image/tar-writer.ts';
import { IMAGES_DIR } from '../../image/bundle.ts';
import { debianArch } from '../../image/packages.ts';
import type { DebianArch } from '../../image/packages.ts';
import { errorMessage } from '../../../lib/errors.ts';
import { requireReady } from '../../node-report.ts';
import type { ReadyReport } from '../../node-report.ts';
import type { PkiFiles } from '../../pki/pki.ts';
import type { Profile } from '../../profile.ts';
import { failure } from '../../reasons.ts';
import { bootNode } from './boot.ts';
import { API_PORT, CONFIG_PATH, STATE_DIR, parsePorts } from './container-spec.ts';
import { proxySettings } from './proxy-settings.ts';
import { ensureContainer, findContainer, removeContainer, removeVolume } from './container.ts';
import { engineAddress, isLocal } from './engine-address.ts';
import { connect, engineCall, engineFailure, isMissing, isUnchanged } from './engine.ts';
import { execInContainer } from './exec.ts';
import { containerLogs } from './logs.ts';
import { ensureNetwork, removeNetwork } from './network.ts';
import { ensureNodeImage, packageSource, removeImages } from './node-image.ts';

const PING_MS = 6_000;
const PKI_DIR = `${STATE_DIR}/pki`;
const ADDONS_DIR = `${STATE_DIR}/addons`;
const PROGRAM = ['/usr/bin/node', '/opt/rockpool/node.mjs'];

/** The node as a container on the engine that answers. */
export function dockerDriver(context: ClusterContext): Driver {
  let connection: Promise<Dockerode> | undefined;
  const engine = (): Promise<Dockerode> => (connection ??= connectEngine(context));
  const node = async (name: string): Promise<Dockerode.Container> => (await engine()).getContainer(name);

  return {
    name: 'docker',
    available: (signal) => available(context, engine, signal),
    plan: async (profile) => plan(await engine(), profile, context),
    layout,
    prepare: async (profile) => prepare(await engine(), profile, context),
    start: async (profile, files, { timeoutMs, signal }) =>
      start(await engine(), profile, files, { clock: context.clock, timeoutMs, signal }),
    stop: async (profile, { timeoutMs }) => stop(await engine(), profile, timeoutMs),
    remove: async (profile) => {
      const docker = await engine();
      await removeContainer(docker, profile.name);
      await Promise.all([removeVolume(docker, profile.name), removeNetwork(docker, profile.name)]);
    },
    state: async (profile) => state(await engine(), profile),
    purge: async () => removeImages(await engine()),
    nodeAddress: (profile) => profile.nodeIp!,
    reach,
    writeAddons: async (profile, addons) => writeAddons(await node(profile.name), addons),
    exec: async (profile, command, options) => execInContainer(await running(await engine(), profile), command, options),
    logs: async function* (profile: Profile, options: LogOptions) {
      const docker = await engine();
      if (!(await findContainer(docker, profile.name))) throw failure('NODE_NOT_RUNNING', `there is no node container "${profile.name}"`);
      yield* containerLogs(docker.getContainer(profile.name), options);
    },
    importImage: async (profile, archive, signal) => importImage(await running(await engine(), profile), archive, signal),
    exportImage: async (name) => exportImage(await engine(), name),
    packages: async () => {
      const docker = await engine();
      return { source: await packageSource(docker, context), arch: await engineArch(docker) };
    },
  };
}

async function connectEngine({ env, userHome }: ClusterContext): Promise<Dockerode> {
  const address = await engineAddress(env, userHome);
  if (!address) throw failure('ENGINE_NOT_RUNNING', 'no container engine was found on this machine');
  return connect(address);
}

async function available({ env, userHome }: ClusterContext, engine: () => Promise<Dockerode>, signal: AbortSignal): Promise<Availability> {
  const address = await engineAddress(env, userHome);
  if (!address) return unavailable(failure('ENGINE_NOT_RUNNING', 'no container engine was found on this machine'));
  if (!isLocal(address)) {
    const advice = [
      'Choose a local engine: `docker context use default`, or unset DOCKER_HOST.',
      '`rockpool start --driver sim` runs without one.',
    ];
    return unavailable(
      failure('DRIVER_UNSUPPORTED', `the engine at ${address.url} is on another machine, where ports and addresses are out of reach`, {
        advice,
      }),
    );
  }
  try {
    const docker = await engine();
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(PING_MS)]);
    const version = await versionOf(docker, deadline);
    const arch = debianArch(version.Arch);
    if (version.Os !== 'linux')
      return unavailable(
        failure('DRIVER_UNSUPPORTED', `the engine runs ${version.Os} containers, and nodes are Linux`, {
          advice: ['Switch the engine to Linux containers.'],
        }),
      );
    if (!arch)
      return unavailable(
        failure('DRIVER_UNSUPPORTED', `there is no node image for ${version.Arch}`, {
          advice: ['`rockpool start --driver sim` runs anywhere.'],
        }),
      );
    return { ok: true, detail: `engine ${version.Version} at ${address.url}` };
  } catch (error) {
    signal.throwIfAborted();
    // A fault of ours must not read as a missing engine.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
    return unavailable(engineFailure(error, `the container engine at ${address.url}`));
  }
}

/** The engine's answer to /version. dockerode passes the signal on; its types do not say so. */
function versionOf(docker: Dockerode, abortSignal: AbortSignal): Promise<Dockerode.DockerVersion> {
  const version = docker.version as (this: Dockerode, options: { abortSignal: AbortSignal }) => Promise<Dockerode.DockerVersion>;
  return version.call(docker, { abortSignal });
}

function unavailable(error: Error): Availability {
  return { ok: false, reason: errorMessage(error).split(': ').slice(0, 2).join(': '), error };
}

/** The network is made here, not with the container: its range is free only once the engine has given it, and certificates name the address. */
async function plan(docker: Dockerode, profile: Profile, context: ClusterContext): Promise<Plan> {
  for (const ports of profile.ports) parsePorts(ports);
  if (profile.simNodes > 0) throw failure('DRIVER_UNSUPPORTED', '--sim-nodes needs the sim driver', { advice: ['Add `--driver sim`.'] });
  const nodeImage = await ensureNodeImage(docker, await engineArch(docker), context);
  const { made, ...network } = await ensureNetwork(docker, profile);
  return {
    profile: { ...profile, ...network, nodeImage },
    undo: async () => {
      if (made) await removeNetwork(docker, profile.name);
    },
  };
}

/** `available` was asked before, and said no for an architecture that there are no packages for. */
async function engineArch(docker: Dockerode): Promise<DebianArch> {
  const { Arch } = await engineCall('the engine', () => docker.version());
  return debianArch(Arch)!;
}

function layout(profile: Profile): NodeLayout {
  return {
    runtime: 'containerd',
    dataDir: STATE_DIR,
    runDir: '/run/rockpool',
    pkiDir: PKI_DIR,
    addonsDir: ADDONS_DIR,
    imagesDir: `/${IMAGES_DIR}`,
    bindAddress: '0.0.0.0',
    port: API_PORT,
    advertiseAddress: profile.nodeIp!,
  };
}

/** On Linux a container's address is reachable as it is; an engine in a virtual machine (macOS, Windows) has only what it publishes. */
function reach(profile: Profile, port: number): Reachable | undefined {
  if (process.platform === 'linux') return { address: profile.nodeIp!, port };
  const published = profile.ports.flatMap(parsePorts).find(({ node, protocol }) => node === port && protocol === 'tcp');
  return published && { address: published.address ?? '127.0.0.1', port: published.host };
}

async function prepare(docker: Dockerode, profile: Profile, { env }: ClusterContext): Promise<() => Promise<void>> {
  const made = { container: false, volume: false };
  const undo = async (): Promise<void> => {
    if (made.container) await removeContainer(docker, profile.name);
    if (made.volume) await removeVolume(docker, profile.name);
  };
  try {
    await ensureContainer(docker, profile, proxySettings(env, profile), made);
  } catch (error) {
    await undo();
    throw error;
  }
  return undo;
}

async function start(
  docker: Dockerode,
  profile: Profile,
  files: NodeFiles,
  options: Parameters<typeof bootNode>[1],
): Promise<ReadyReport | undefined> {
  if ((await state(docker, profile)) === 'Running') return undefined;
  const container = docker.getContainer(profile.name);
  await engineCall("cannot write the node's files", () => container.putArchive(nodeArchive(files), { path: '/' }));
  return requireReady(await bootNode(container, options));
}

function nodeArchive({ config, pki, addons }: NodeFiles): Buffer {
  const at = (path: string): string => path.replace(/^\//, '');
  return tarOf([
    directory(at(STATE_DIR), 0o700),
    directory(at(PKI_DIR), 0o700),
    directory(`${at(PKI_DIR)}/components`, 0o700),
    file(at(CONFIG_PATH), JSON.stringify(config, null, 2), 0o600),
    ...pkiEntries(pki).map(([name, text]) => file(`${at(PKI_DIR)}/${name}`, text, 0o600)),
    ...addonEntries(addons),
  ]);
}

/** The front proxy's authority signs nothing in the node: its key stays on the laptop. */
function pkiEntries(pki: PkiFiles): [string, string][] {
  return [...pki].filter(([name]) => name !== 'front-proxy-ca.key');
}

async function stop(docker: Dockerode, { name }: Profile, timeoutMs: number): Promise<void> {
  const info = await findContainer(docker, name);
  if (!info) return;
  try {
    await docker.getContainer(info.Id).stop({ t: Math.ceil(timeoutMs / 1000) });
  } catch (error) {
    if (!isUnchanged(error) && !isMissing(error)) throw engineFailure(error, 'cannot stop the node');
  }
}

async function state(docker: Dockerode, { name }: Profile): Promise<HostState> {
  const info = await findContainer(docker, name);
  if (!info) return 'Absent';
  return info.State.Running ? 'Running' : 'Stopped';
}

async function running(docker: Dockerode, profile: Profile): Promise<Dockerode.Container> {
  if ((await state(docker, profile)) !== 'Running')
    throw failure('NODE_NOT_RUNNING', `the node of profile "${profile.name}" is not running`);
  return docker.getContainer(profile.name);
}

async function writeAddons(container: Dockerode.Container, addons: AddonFiles): Promise<void> {
  await engineCall('cannot write addons into the node', () => container.putArchive(tarOf(addonEntries(addons)), { path: '/' }));
}

/** A tar can add but not remove; an empty file in a folder's place makes the engine replace the folder, and serves running and stopped nodes alike. */
function addonEntries({ files, absent }: AddonFiles): TarEntry[] {
  const at = ADDONS_DIR.replace(/^\//, '');
  const folders = [...new Set([...files.keys()].map((name) => name.split('/')[0]!))];
  return [
    directory(at),
    ...absent.map((name) => file(`${at}/${name}`, '')),
    ...folders.map((name) => directory(`${at}/${name}`)),
    ...[...files].map(([name, text]) => file(`${at}/${name}`, text)),
  ];
}

/** The node's own program takes the archive on its standard input and prints the names of its images, one a line. */
async function importImage(container: Dockerode.Container, archive: Readable, signal: AbortSignal): Promise<string[]> {
  const result = await execInContainer(container, [...PROGRAM, 'image', 'import', '-'], { stdin: archive, signal });
  if (result.exitCode !== 0)
    throw failure('RUNTIME_IMAGE', `the node did not take the image: ${result.stderr.trim().split('\n').at(-1) ?? ''}`);
  return result.stdout.split('\n').filter((line) => line !== '');
}

async function exportImage(docker: Dockerode, name: string): Promise<Readable> {
  try {
    return new Readable().wrap(await docker.getImage(name).get());
  } catch (error) {
    if (isMissing(error)) throw failure('IMAGE_NOT_FOUND', `the engine has no image "${name}"`);
    throw engineFailure(error, `cannot read image ${name}`);
  }
}
