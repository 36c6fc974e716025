/**
 * CSI volumes of this node. For each pod and volume:
 *
 *     noted --attached--> staged (once for all pods of the node) --> published (to the pod) --> unpublished --last pod--> unstaged
 *
 * The note on disk (places.ts) comes first and goes last, so that a kubelet that was killed anywhere finds what it must take down.
 * Every call to a driver is idempotent by CSI's rules; repeating one after a restart is how a step that was cut off is finished.
 */
import { mkdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type {
  CSIDriver,
  CSIPersistentVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  SecretReference,
  Volume,
} from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import type { EventRecorder } from '../../../client/events.ts';
import { CSI_DRIVERS, SECRETS } from '../../../client/resources.ts';
import type { Clock } from '../../../lib/clock.ts';
import { errorCode, errorMessage } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { WatchedObjects } from '../objects.ts';
import { applyFsGroup } from '../ownership.ts';
import { VolumeError } from '../payload.ts';
import type { Tokens } from '../tokens.ts';
import { createAttachments, type Attachments } from './attachment.ts';
import type { DriverClient } from './driver-client.ts';
import { createDrivers, type Drivers } from './drivers.ts';
import { expandOnNode, isToExpand } from './expand.ts';
import { NODE_CAPABILITY, NODE_PUBLISH_VOLUME, NODE_STAGE_VOLUME, NODE_UNPUBLISH_VOLUME, NODE_UNSTAGE_VOLUME } from './messages.ts';
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
import { capabilityOf, mayChangeGroup, needsAttach, podContext } from './requests.ts';
import { serviceAccountTokens } from './service-account-tokens.ts';

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

export interface ClaimedCsiVolume {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
  readOnly: boolean;
}

export interface CsiOptions {
  rootDir: string;
  nodeName: string;
  client: Client;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  objects: WatchedObjects;
  tokens: Tokens;
  /** The set of volumes in use changed: resolves when node.status says so. */
  reportInUse(): Promise<void>;
  changed(podUid: string): void;
}

export function createCsiVolumes(options: CsiOptions): CsiVolumes {
  return new Csi(options);
}

/** As often as upstream's kubelet looks at a pod whose volumes may want something. */
const RECHECK_MS = 60_000;

/** All that setting up one volume for one pod needs to know. */
interface Request {
  pod: Pod;
  note: VolumeNote;
  driver: DriverClient;
  object: CSIDriver | undefined;
  source: Pick<
    CSIPersistentVolumeSource,
    'fsType' | 'volumeAttributes' | 'nodeStageSecretRef' | 'nodePublishSecretRef' | 'nodeExpandSecretRef'
  >;
  accessModes: readonly string[];
  mountOptions: readonly string[];
  readOnly: boolean;
  claimed?: ClaimedCsiVolume;
}

class Csi implements CsiVolumes {
  readonly drivers: Drivers;
  readonly #options: CsiOptions;
  readonly #attachments: Attachments;
  /** By unique volume name: the folders of the pods' notes. */
  readonly #users = new Map<string, Set<string>>();
  /** Unique names that the control plane attaches. */
  readonly #attachable = new Set<string>();
  readonly #reported = new Set<string>();
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
    facts: Pick<Request, 'source' | 'accessModes' | 'mountOptions' | 'readOnly' | 'claimed'>,
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
    const request: Request = { pod, note, driver, object, ...facts };
    await this.#serially(note, () => this.#bring(request));
    return targetPath(this.#options.rootDir, pod.metadata.uid!, note);
  }

  async #bring(request: Request): Promise<void> {
    const { pod, note, driver, object, claimed } = request;
    const podUid = pod.metadata.uid!;
    const folder = podVolumeFolder(this.#options.rootDir, podUid, note.specVolID);
    const isNew = !this.#published.has(folder);
    if (isNew || object?.spec.requiresRepublish) {
      if (isNew) await writeNote(folder, note);
      this.#use(note, folder);
      const context = await this.#attach(request);
      const isStaged = note.volumeLifecycleMode === 'Persistent' && driver.capabilities.has(NODE_CAPABILITY.STAGE_UNSTAGE_VOLUME);
      if (isNew && isStaged) await this.#stage(request, context);
      await this.#publish(request, { context, isStaged });
      if (isNew) await this.#handToGroup(request);
      this.#published.add(folder);
      if (object?.spec.requiresRepublish || driver.capabilities.has(NODE_CAPABILITY.EXPAND_VOLUME)) this.#rechecked.add(podUid);
    }
    if (claimed && isToExpand(claimed.volume, claimed.claim, driver)) await this.#expand(request, claimed);
  }

  /** What the attacher found out. The node says that it uses the volume before it looks whether it is attached: nobody detaches it from then on. */
  async #attach({ pod, note, object }: Request): Promise<Record<string, string>> {
    if (note.volumeLifecycleMode === 'Ephemeral' || !needsAttach(object)) return {};
    const name = uniqueVolumeName(note);
    this.#attachable.add(name);
    if (!this.#reported.has(name)) {
      await this.#options.reportInUse();
      this.#reported.add(name);
    }
    return this.#attachments.publishContext(pod.metadata.uid!, note);
  }

  async #stage(request: Request, publishContext: Record<string, string>): Promise<void> {
    const { note, driver, source } = request;
    const stagingTargetPath = stagingPath(this.#options.rootDir, note);
    await mkdir(stagingTargetPath, { recursive: true, mode: 0o750 });
    try {
      await driver.call(NODE_STAGE_VOLUME, {
        volumeId: note.volumeHandle,
        publishContext,
        stagingTargetPath,
        volumeCapability: capabilityFor(request),
        secrets: await this.#secret(source.nodeStageSecretRef),
        volumeContext: source.volumeAttributes ?? {},
      });
    } catch (error) {
      throw new MountDeviceError(errorMessage(error));
    }
  }

  async #publish(request: Request, { context, isStaged }: { context: Record<string, string>; isStaged: boolean }): Promise<void> {
    const { pod, note, driver, object, source, readOnly } = request;
    const { rootDir, tokens } = this.#options;
    const target = targetPath(rootDir, pod.metadata.uid!, note);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o750 });
    const info = object?.spec.podInfoOnMount ? podContext(pod, note.volumeLifecycleMode === 'Ephemeral') : {};
    const accounts = await serviceAccountTokens(pod, object, tokens);
    const inSecrets = object?.spec.serviceAccountTokenInSecrets ?? false;
    await driver.call(NODE_PUBLISH_VOLUME, {
      volumeId: note.volumeHandle,
      publishContext: context,
      stagingTargetPath: isStaged ? stagingPath(rootDir, note) : '',
      targetPath: target,
      volumeCapability: capabilityFor(request),
      readonly: readOnly,
      secrets: { ...(await this.#secret(source.nodePublishSecretRef)), ...(inSecrets ? accounts : {}) },
      volumeContext: { ...source.volumeAttributes, ...info, ...(inSecrets ? {} : accounts) },
    });
  }

  async #handToGroup({ pod, note, driver, object, source, accessModes, readOnly }: Request): Promise<void> {
    const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
    if (fsGroup === undefined || readOnly || note.volumeMode === 'Block') return;
    if (driver.capabilities.has(NODE_CAPABILITY.VOLUME_MOUNT_GROUP)) return;
    const inline = note.volumeLifecycleMode === 'Ephemeral';
    if (!mayChangeGroup(object, { fsType: source.fsType ?? '', accessModes, inline })) return;
    await applyFsGroup(targetPath(this.#options.rootDir, pod.metadata.uid!, note), fsGroup, fsGroupChangePolicy);
  }

  /** A volume that cannot grow serves at its old size: the pod does not wait for it. */
  async #expand(request: Request, { claim, volume }: ClaimedCsiVolume): Promise<void> {
    const { pod, note, driver, source } = request;
    const { rootDir, log } = this.#options;
    try {
      const secrets = await this.#secret(source.nodeExpandSecretRef);
      const places = { volumePath: targetPath(rootDir, pod.metadata.uid!, note), stagingTargetPath: stagingPath(rootDir, note) };
      const call = { volumeId: note.volumeHandle, ...places, volumeCapability: capabilityFor(request), secrets };
      await expandOnNode({ pod, claim, volume, driver, request: call }, this.#options);
    } catch (error) {
      log.warn('volume could not be expanded', { volume: volume.metadata.name, error: errorMessage(error) });
    }
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

  async #secret(reference: SecretReference | undefined): Promise<Record<string, string>> {
    const { name, namespace } = reference ?? {};
    if (!name || !namespace) return {};
    const secret = await this.#options.objects.fresh({ type: SECRETS, namespace, name });
    if (!secret) throw new VolumeError(`failed to find the secret ${name} in the namespace ${namespace}`);
    return Object.fromEntries(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  }
}

/** The volume could not be prepared for the node, rather than for the pod: another word in its event. */
export class MountDeviceError extends VolumeError {
  override name = 'MountDeviceError';
}

function capabilityFor({ pod, note, driver, source, accessModes, mountOptions }: Request) {
  const { fsGroup } = pod.spec?.securityContext ?? {};
  const facts = {
    accessMode: accessModes[0] ?? 'ReadWriteOnce',
    block: note.volumeMode === 'Block',
    fsType: source.fsType ?? '',
    mountOptions,
  };
  return capabilityOf({ ...facts, ...(fsGroup === undefined ? {} : { fsGroup }) }, driver);
}

async function removeFolder(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
