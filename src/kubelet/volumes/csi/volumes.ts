/**
 * CSI volumes of this node. For each pod and volume:
 *
 *     noted --attached--> staged (once for all pods of the node) --> published (to the pod) --> unpublished --last pod--> unstaged
 *
 * The note on disk (places.ts) comes first and goes last, so that a kubelet that was killed anywhere finds what it must take down.
 * Every call to a driver is idempotent by CSI's rules; repeating one after a restart is how a step that was cut off is finished.
 */
import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { Pod, Volume } from '../../../api/types.gen.ts';
import { CSI_DRIVERS } from '../../../client/resources.ts';
import { errorCode } from '../../../lib/errors.ts';
import { VolumeError } from '../payload.ts';
import { createAttachments, type Attachments } from './attachment.ts';
import { createDrivers, type Drivers } from './drivers.ts';
import { isToExpand } from './expand.ts';
import { NODE_CAPABILITY, NODE_UNPUBLISH_VOLUME, NODE_UNSTAGE_VOLUME } from './messages.ts';
import {
  allNotedVolumes,
  ephemeralHandle,
  type NotedVolume,
  notedVolumes,
  podVolumeFolder,
  stagingPath,
  targetPath,
  uniqueVolumeName,
  type VolumeNote,
  writeNote,
} from './places.ts';
import { needsAttach } from './requests.ts';
import { type ClaimedCsiVolume, grow, handToGroup, publish, type SetUpRequest, stage, type StepServices } from './steps.ts';

export interface CsiVolumes {
  /** The handler of plugins of type CSIPlugin. */
  readonly drivers: Drivers;
  /** Finds what an earlier kubelet has left. */
  start(): Promise<void>;
  /** The place of a claim's volume on the node; repeating it is cheap. Throws VolumeError, VolumeWait while it is being attached. */
  setUpClaimed(pod: Pod, claimed: ClaimedCsiVolume): Promise<string>;
  /** The same for a volume that the pod itself describes. */
  setUpInline(pod: Pod, volume: Volume): Promise<string>;
  /** Takes down all CSI volumes of a pod; throws while a driver refuses. */
  release(podUid: string): Promise<void>;
  /** For node.status.volumesInUse. */
  inUse(): string[];
  /** After how many ms the pod's volumes want to be looked at again: to grow, or to be published anew. Undefined for never. */
  recheckMs(podUid: string): number | undefined;
  close(): void;
}

export interface CsiOptions extends StepServices {
  /** The set of volumes in use changed: resolves when node.status says so. */
  reportInUse(): Promise<void>;
  changed(podUid: string): void;
}

export function createCsiVolumes(options: CsiOptions): CsiVolumes {
  return new Csi(options);
}

/** As often as upstream's kubelet looks at a pod whose volumes may want something. */
const RECHECK_MS = 60_000;

class Csi implements CsiVolumes {
  readonly drivers: Drivers;
  readonly #options: CsiOptions;
  readonly #attachments: Attachments;
  /** By unique volume name: the folders of the pods' notes. */
  readonly #users = new Map<string, Set<string>>();
  /** Unique names that the control plane attaches. */
  readonly #attachable = new Set<string>();
  readonly #reported = new Set<string>();
  /** Unique names of what this kubelet has staged. */
  readonly #staged = new Set<string>();
  /** Note folders whose volume this kubelet has published. */
  readonly #published = new Set<string>();
  readonly #rechecked = new Set<string>();
  readonly #locks = new Map<string, Promise<unknown>>();
  /** Pods that wait for a driver to register. */
  readonly #waiting = new Set<string>();

  constructor(options: CsiOptions) {
    this.#options = options;
    this.#attachments = createAttachments(options);
    this.drivers = createDrivers({ ...options, changed: () => this.#wakeWaiting() });
  }

  async start(): Promise<void> {
    for (const { note, folder } of await allNotedVolumes(this.#options.rootDir)) {
      this.#use(note, folder);
      // whether it was attached only the API knows; a volume too many in volumesInUse is the safe side
      if (note.volumeLifecycleMode === 'Persistent') this.#attachable.add(uniqueVolumeName(note));
    }
  }

  close(): void {
    this.#attachments.close();
    this.drivers.close();
  }

  inUse(): string[] {
    return [...this.#attachable].filter((name) => (this.#users.get(name)?.size ?? 0) > 0).toSorted();
  }

  recheckMs(podUid: string): number | undefined {
    return this.#rechecked.has(podUid) ? RECHECK_MS : undefined;
  }

  async setUpClaimed(pod: Pod, claimed: ClaimedCsiVolume): Promise<string> {
    const { volume, readOnly } = claimed;
    const { csi, accessModes = [], mountOptions = [], volumeMode } = volume.spec!;
    const note: VolumeNote = {
      specVolID: volume.metadata.name!,
      volumeHandle: csi!.volumeHandle,
      driverName: csi!.driver,
      nodeName: this.#options.nodeName,
      attachmentID: '',
      volumeLifecycleMode: 'Persistent',
      ...(volumeMode === 'Block' ? { volumeMode } : {}),
    };
    return this.#setUp(pod, note, { source: csi!, accessModes, mountOptions, readOnly, claimed });
  }

  async setUpInline(pod: Pod, { name, csi }: Volume): Promise<string> {
    const { driver, readOnly = false, nodePublishSecretRef, fsType, volumeAttributes } = csi!;
    const { namespace, uid } = pod.metadata;
    const note: VolumeNote = {
      specVolID: name,
      volumeHandle: ephemeralHandle({ namespace: namespace!, podUid: uid!, volume: name }),
      driverName: driver,
      nodeName: this.#options.nodeName,
      attachmentID: '',
      volumeLifecycleMode: 'Ephemeral',
    };
    const secret = nodePublishSecretRef ? { nodePublishSecretRef: { name: nodePublishSecretRef.name!, namespace: namespace! } } : {};
    const source = { ...(fsType === undefined ? {} : { fsType }), ...(volumeAttributes ? { volumeAttributes } : {}), ...secret };
    return this.#setUp(pod, note, { source, accessModes: ['ReadWriteOnce'], mountOptions: [], readOnly });
  }

  async release(podUid: string): Promise<void> {
    this.#rechecked.delete(podUid);
    this.#waiting.add(podUid);
    for (const noted of await notedVolumes(this.#options.rootDir, podUid)) await this.#serially(noted.note, () => this.#takeDown(noted));
    this.#waiting.delete(podUid);
  }

  async #setUp(
    pod: Pod,
    note: VolumeNote,
    facts: Pick<SetUpRequest, 'source' | 'accessModes' | 'mountOptions' | 'readOnly' | 'claimed'>,
  ): Promise<string> {
    this.#waiting.add(pod.metadata.uid!);
    const driver = this.drivers.get(note.driverName);
    this.#waiting.delete(pod.metadata.uid!);
    const object = await this.#options.objects.fresh({ type: CSI_DRIVERS, namespace: '', name: note.driverName });
    const modes = object?.spec.volumeLifecycleModes ?? ['Persistent'];
    if (!modes.includes(note.volumeLifecycleMode))
      throw new VolumeError(
        `volume mode "${note.volumeLifecycleMode}" not supported by driver ${note.driverName} (only supports ${JSON.stringify(modes)})`,
      );
    const request: SetUpRequest = { pod, note, driver, object, ...facts };
    await this.#serially(note, () => this.#bring(request));
    return targetPath(this.#options.rootDir, pod.metadata.uid!, note);
  }

  async #bring(request: SetUpRequest): Promise<void> {
    const { pod, note, driver, object, claimed } = request;
    const podUid = pod.metadata.uid!;
    const folder = podVolumeFolder(this.#options.rootDir, podUid, note.specVolID);
    const isNew = !this.#published.has(folder);
    if (isNew || object?.spec.requiresRepublish) {
      if (isNew) await writeNote(folder, note);
      this.#use(note, folder);
      const context = await this.#attach(request);
      const isStaged = note.volumeLifecycleMode === 'Persistent' && driver.capabilities.has(NODE_CAPABILITY.STAGE_UNSTAGE_VOLUME);
      if (isStaged && !this.#staged.has(uniqueVolumeName(note))) {
        await stage(request, context, this.#options);
        this.#staged.add(uniqueVolumeName(note));
      }
      await publish(request, { context, isStaged }, this.#options);
      if (isNew) await handToGroup(request, this.#options);
      this.#published.add(folder);
      if (object?.spec.requiresRepublish || driver.capabilities.has(NODE_CAPABILITY.EXPAND_VOLUME)) this.#rechecked.add(podUid);
    }
    if (claimed && isToExpand(claimed.volume, claimed.claim, driver)) await grow(request, claimed, this.#options);
  }

  /** What the attacher found out. The node says that it uses the volume before it looks whether it is attached: nobody detaches it from then on. */
  async #attach({ pod, note, object }: SetUpRequest): Promise<Record<string, string>> {
    if (note.volumeLifecycleMode === 'Ephemeral' || !needsAttach(object)) return {};
    const name = uniqueVolumeName(note);
    this.#attachable.add(name);
    if (!this.#reported.has(name)) {
      await this.#options.reportInUse();
      this.#reported.add(name);
    }
    return this.#attachments.publishContext(pod.metadata.uid!, note);
  }

  async #takeDown({ podUid, folder, note }: NotedVolume): Promise<void> {
    const { rootDir } = this.#options;
    const driver = this.drivers.get(note.driverName);
    const target = targetPath(rootDir, podUid, note);
    await driver.call(NODE_UNPUBLISH_VOLUME, { volumeId: note.volumeHandle, targetPath: target });
    this.#published.delete(folder);
    // never recursive: what is still there is the user's data
    if (note.volumeMode === 'Block') await rm(target, { force: true });
    else await removeFolder(target);
    const users = this.#users.get(uniqueVolumeName(note));
    const isLast = [...(users ?? [])].every((user) => user === folder);
    if (isLast && note.volumeLifecycleMode === 'Persistent' && driver.capabilities.has(NODE_CAPABILITY.STAGE_UNSTAGE_VOLUME)) {
      const stagingTargetPath = stagingPath(rootDir, note);
      this.#staged.delete(uniqueVolumeName(note));
      await driver.call(NODE_UNSTAGE_VOLUME, { volumeId: note.volumeHandle, stagingTargetPath });
      await removeFolder(stagingTargetPath);
      if (note.volumeMode !== 'Block') await removeFolder(path.dirname(stagingTargetPath));
    }
    await rm(folder, { recursive: true, force: true });
    users?.delete(folder);
    if (!isLast) return;
    const name = uniqueVolumeName(note);
    this.#users.delete(name);
    this.#reported.delete(name);
    if (this.#attachable.delete(name)) await this.#options.reportInUse();
  }

  #use(note: VolumeNote, folder: string): void {
    const name = uniqueVolumeName(note);
    const users = this.#users.get(name) ?? new Set();
    users.add(folder);
    this.#users.set(name, users);
  }

  /** Pods of one volume come and go one after the other. */
  #serially<T>(note: VolumeNote, work: () => Promise<T>): Promise<T> {
    const name = uniqueVolumeName(note);
    const result = (this.#locks.get(name) ?? Promise.resolve()).then(work, work);
    this.#locks.set(name, result);
    const forget = (): void => {
      if (this.#locks.get(name) === result) this.#locks.delete(name);
    };
    result.then(forget, forget);
    return result;
  }

  #wakeWaiting(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const podUid of waiting) this.#options.changed(podUid);
  }
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
