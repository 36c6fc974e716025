/** The volumes of the pods on this node: set up before a pod's sandbox, kept fresh while it lives, removed with it. */
import { chmod, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { bytesOf } from '../../api/codec/quantity.ts';
import type { Pod, Volume, VolumeProjection } from '../../api/types.gen.ts';
import { CONFIG_MAPS, SECRETS } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { NodeFacts } from '../containers/field-path.ts';
import { writePayload } from './atomic-writer.ts';
import { claimedVolume, localPath } from './claims.ts';
import { MountDeviceError } from './csi/steps.ts';
import type { CsiVolumes } from './csi/volumes.ts';
import { prepareHostPath } from './host-path.ts';
import type { Mounts } from './mounts.ts';
import type { WatchedObjects } from './objects.ts';
import { applyFsGroup, volumeOwner } from './ownership.ts';
import { type PayloadRef, type PayloadSources, projectedPayload, VolumeError, VolumeWait } from './payload.ts';
import type { Tokens } from './tokens.ts';

export interface MountedVolume {
  /** On the node. */
  path: string;
  /** A block device rather than a folder. */
  block?: boolean;
  /** subPath folders may be made in it. */
  writable: boolean;
}

export interface VolumeManager {
  /** Sets up all volumes of a pod; repeating it is cheap. Throws VolumeSetupError naming the first that cannot be. */
  setUp(pod: Pod): Promise<ReadonlyMap<string, MountedVolume>>;
  /** For a pod that has ended: its volumes go, hostPath and claimed ones excepted; what its containers left to say stays. */
  release(podUid: string): Promise<void>;
  /** Removes everything of the pod from the node. */
  tearDown(podUid: string): Promise<void>;
  podDir(podUid: string): string;
  /** Its labels or annotations changed: files that show them are written anew. */
  podChanged(pod: Pod): void;
  close(): void;
}

/** `volume` names what `message` is about. */
export class VolumeSetupError extends Error {
  readonly volume: string;
  /** The step that failed, as upstream's events call it; undefined while nothing has failed but something is waited for. */
  readonly step: 'MountVolume.SetUp' | 'MountVolume.MountDevice' | undefined;

  constructor(volume: string, message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'VolumeSetupError';
    this.volume = volume;
    this.step = cause instanceof MountDeviceError ? 'MountVolume.MountDevice' : 'MountVolume.SetUp';
    if (cause instanceof VolumeWait) this.step = undefined;
  }
}

export interface VolumeManagerOptions {
  rootDir: string;
  mounts: Mounts;
  objects: WatchedObjects;
  tokens: Tokens;
  csi: CsiVolumes;
  clock: Clock;
  log: Logger;
  nodeFacts(pod: Pod): NodeFacts;
  /** An object that this pod's volumes need has changed, or its token is due: its volumes were written anew, or can be set up now. */
  changed(podUid: string): void;
}

interface PodVolumes {
  pod: Pod;
  /** Releases of watches, by object. */
  watches: Map<string, () => void>;
  cancelRenewal?: () => void;
  ready: boolean;
  /** Of the volume being set up, as events call it: a claimed one goes by its PersistentVolume's name. */
  volumeName: string;
}

export function createVolumeManager(options: VolumeManagerOptions): VolumeManager {
  return new Volumes(options);
}

class Volumes implements VolumeManager {
  readonly #options: VolumeManagerOptions;
  readonly #pods = new Map<string, PodVolumes>();

  constructor(options: VolumeManagerOptions) {
    this.#options = options;
  }

  podDir(podUid: string): string {
    return path.join(this.#options.rootDir, 'pods', podUid);
  }

  podChanged(pod: Pod): void {
    const state = this.#pods.get(pod.metadata.uid!);
    if (!state?.ready) return;
    state.pod = pod;
    this.#refresh(pod.metadata.uid!);
  }

  async setUp(pod: Pod): Promise<ReadonlyMap<string, MountedVolume>> {
    const uid = pod.metadata.uid!;
    const state: PodVolumes = this.#pods.get(uid) ?? { pod, watches: new Map(), ready: false, volumeName: '' };
    state.pod = pod;
    this.#pods.set(uid, state);
    const result = new Map<string, MountedVolume>();
    for (const volume of pod.spec?.volumes ?? []) {
      state.volumeName = volume.name;
      try {
        result.set(volume.name, await this.#setUpOne(state, volume));
      } catch (error) {
        throw new VolumeSetupError(state.volumeName, errorMessage(error), error);
      }
    }
    state.ready = true;
    this.#scheduleRenewal(state);
    return result;
  }

  async tearDown(podUid: string): Promise<void> {
    await this.release(podUid);
    await rm(this.podDir(podUid), { recursive: true, force: true });
  }

  async release(podUid: string): Promise<void> {
    const state = this.#pods.get(podUid);
    this.#pods.delete(podUid);
    state?.cancelRenewal?.();
    for (const release of state?.watches.values() ?? []) release();
    this.#options.tokens.forget(podUid);
    await this.#options.csi.release(podUid);
    const folder = path.join(this.podDir(podUid), 'volumes');
    for (const point of await this.#options.mounts.under(folder)) await this.#options.mounts.unmount(point);
    await rm(folder, { recursive: true, force: true });
  }

  close(): void {
    for (const state of this.#pods.values()) {
      state.cancelRenewal?.();
      for (const release of state.watches.values()) release();
    }
    this.#pods.clear();
  }

  async #setUpOne(state: PodVolumes, volume: Volume): Promise<MountedVolume> {
    const { pod } = state;
    if (volume.hostPath) {
      await prepareHostPath(volume.hostPath.path, volume.hostPath.type);
      return { path: volume.hostPath.path, writable: true };
    }
    if (volume.emptyDir) return this.#emptyDir(pod, volume);
    const claimName = volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined);
    if (claimName !== undefined) return this.#claimed(state, claimName, volume.persistentVolumeClaim?.readOnly ?? false);
    if (volume.csi) return { path: await this.#options.csi.setUpInline(pod, volume), writable: !volume.csi.readOnly };
    const projections = projectionsOf(volume);
    if (!projections) throw new VolumeError(`volume source ${sourceOf(volume)} is not supported`);
    return this.#projected(state, volume, projections);
  }

  async #claimed(state: PodVolumes, claimName: string, readOnly: boolean): Promise<MountedVolume> {
    const { objects, csi } = this.#options;
    const { pod } = state;
    const { claim, volume } = await claimedVolume(objects, pod.metadata.namespace!, claimName);
    state.volumeName = volume.metadata.name!;
    const block = volume.spec?.volumeMode === 'Block';
    const writable = !readOnly;
    if (volume.spec?.csi) return { path: await csi.setUpClaimed(pod, { claim, volume, readOnly }), block, writable };
    const place = await localPath(volume);
    const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
    if (fsGroup !== undefined && !block) await applyFsGroup(place, fsGroup, fsGroupChangePolicy);
    return { path: place, block, writable };
  }

  async #emptyDir(pod: Pod, volume: Volume): Promise<MountedVolume> {
    const folder = this.#volumeDir(pod, 'empty-dir', volume.name);
    await mkdir(folder, { recursive: true });
    const { medium, sizeLimit } = volume.emptyDir!;
    if (medium === 'Memory' && !(await this.#options.mounts.under(path.dirname(folder))).includes(folder)) {
      await this.#options.mounts.tmpfs(folder, { sizeBytes: sizeLimit === undefined ? undefined : bytesOf(sizeLimit) });
    }
    // any user of any container may write in it
    await chmod(folder, 0o777);
    const { fsGroup } = pod.spec?.securityContext ?? {};
    if (fsGroup !== undefined) await applyFsGroup(folder, fsGroup, 'OnRootMismatch');
    return { path: folder, writable: true };
  }

  async #projected(state: PodVolumes, volume: Volume, projections: readonly VolumeProjection[]): Promise<MountedVolume> {
    const { pod } = state;
    const owner = volumeOwner(pod);
    const { objects, tokens } = this.#options;
    const sources: PayloadSources = { objects, node: this.#options.nodeFacts(pod), token: (of, projection) => tokens.get(of, projection) };
    for (const ref of refsOf(pod, projections)) {
      this.#watch(state, `${ref.type.resource}/${ref.name}`, (changed) => objects.watch(ref, changed));
    }
    const mode =
      volume.projected?.defaultMode ?? volume.secret?.defaultMode ?? volume.configMap?.defaultMode ?? volume.downwardAPI?.defaultMode;
    const files = await projectedPayload(pod, projections, { mode, sources, owned: owner.uid !== undefined || owner.gid !== undefined });
    const folder = this.#volumeDir(pod, sourceOf(volume), volume.name);
    // only the token may belong to a user; the rest is shared through the group
    await writePayload(folder, files, { gid: owner.gid, uid: volume.projected ? owner.uid : undefined }, this.#options.clock.now());
    return { path: folder, writable: false };
  }

  #volumeDir(pod: Pod, source: string, name: string): string {
    return path.join(this.podDir(pod.metadata.uid!), 'volumes', `kubernetes.io~${source}`, name);
  }

  #watch(state: PodVolumes, key: string, open: (changed: () => void) => () => void): void {
    if (state.watches.has(key)) return;
    const uid = state.pod.metadata.uid!;
    state.watches.set(key, () => undefined);
    state.watches.set(
      key,
      open(() => this.#refresh(uid)),
    );
  }

  /** Writes the pod's volumes anew once it has been set up; before that the worker tries again. */
  #refresh(uid: string): void {
    const state = this.#pods.get(uid);
    if (!state) return;
    if (!state.ready) return this.#options.changed(uid);
    this.setUp(state.pod).catch((error: unknown) => {
      this.#options.log.warn('volume could not be refreshed', { pod: uid, error: errorMessage(error) });
    });
  }

  /** The next look at a pod's volumes that nothing but time calls for. */
  #scheduleRenewal(state: PodVolumes): void {
    const uid = state.pod.metadata.uid!;
    const { tokens, clock, csi } = this.#options;
    state.cancelRenewal?.();
    const renewAt = tokens.renewAt(uid);
    const renewal = renewAt === undefined ? Number.POSITIVE_INFINITY : Math.max(renewAt - clock.now(), 1000);
    const next = Math.min(renewal, csi.recheckMs(uid) ?? Number.POSITIVE_INFINITY);
    if (Number.isFinite(next)) state.cancelRenewal = clock.timer(next, () => this.#refresh(uid));
  }
}

function projectionsOf({ configMap, secret, downwardAPI, projected }: Volume): readonly VolumeProjection[] | undefined {
  if (configMap) return [{ configMap }];
  if (secret) return [{ secret: { name: secret.secretName, items: secret.items, optional: secret.optional } }];
  if (downwardAPI) return [{ downwardAPI }];
  return projected?.sources ?? (projected ? [] : undefined);
}

function refsOf(pod: Pod, projections: readonly VolumeProjection[]): PayloadRef[] {
  const namespace = pod.metadata.namespace!;
  return projections.flatMap(({ configMap, secret }): PayloadRef[] => [
    ...(configMap ? [{ type: CONFIG_MAPS, namespace, name: configMap.name ?? '' }] : []),
    ...(secret ? [{ type: SECRETS, namespace, name: secret.name ?? '' }] : []),
  ]);
}

/** `config-map`, `secret` …: the name of the volume plugin in the folder's name is upstream's. */
function sourceOf(volume: Volume): string {
  const source = Object.keys(volume).find((key) => key !== 'name') ?? 'none';
  return { configMap: 'configmap', secret: 'secret', downwardAPI: 'downward-api', projected: 'projected' }[source] ?? source;
}
