/** The steps that bring one CSI volume to one pod: what is made on the node, and what the driver is asked. Each may be repeated. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type {
  CSIDriver,
  CSIPersistentVolumeSource,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  SecretReference,
} from '../../../api/types.gen.ts';
import type { Client } from '../../../client/client.ts';
import type { EventRecorder } from '../../../client/events.ts';
import { SECRETS } from '../../../client/resources.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { WatchedObjects } from '../objects.ts';
import { applyFsGroup } from '../ownership.ts';
import { VolumeError } from '../payload.ts';
import type { Tokens } from '../tokens.ts';
import type { DriverClient } from './driver-client.ts';
import { expandOnNode } from './expand.ts';
import { NODE_CAPABILITY, NODE_PUBLISH_VOLUME, NODE_STAGE_VOLUME } from './messages.ts';
import { stagingPath, targetPath, type VolumeNote } from './places.ts';
import { capabilityOf, mayChangeGroup, podContext } from './requests.ts';
import { serviceAccountTokens } from './service-account-tokens.ts';

export interface ClaimedCsiVolume {
  claim: PersistentVolumeClaim;
  volume: PersistentVolume;
  readOnly: boolean;
}

type Source = 'fsType' | 'volumeAttributes' | 'nodeStageSecretRef' | 'nodePublishSecretRef' | 'nodeExpandSecretRef';

/** All that setting up one volume for one pod needs to know. */
export interface SetUpRequest {
  pod: Pod;
  note: VolumeNote;
  driver: DriverClient;
  object: CSIDriver | undefined;
  source: Pick<CSIPersistentVolumeSource, Source>;
  accessModes: readonly string[];
  mountOptions: readonly string[];
  readOnly: boolean;
  /** Unless the pod itself describes the volume. */
  claimed?: ClaimedCsiVolume;
}

export interface StepServices {
  rootDir: string;
  nodeName: string;
  client: Client;
  log: Logger;
  events: EventRecorder;
  objects: WatchedObjects;
  tokens: Tokens;
}

/** The volume could not be prepared for the node, rather than for the pod: another word in its event. */
export class MountDeviceError extends VolumeError {
  override name = 'MountDeviceError';
}

/** Prepares the volume for the node. Throws MountDeviceError. */
export async function stage(request: SetUpRequest, publishContext: Record<string, string>, services: StepServices): Promise<void> {
  const { note, driver, source } = request;
  const stagingTargetPath = stagingPath(services.rootDir, note);
  await mkdir(stagingTargetPath, { recursive: true, mode: 0o750 });
  try {
    await driver.call(NODE_STAGE_VOLUME, {
      volumeId: note.volumeHandle,
      publishContext,
      stagingTargetPath,
      volumeCapability: capabilityFor(request),
      secrets: await readSecret(source.nodeStageSecretRef, services),
      volumeContext: source.volumeAttributes ?? {},
    });
  } catch (error) {
    throw new MountDeviceError(errorMessage(error));
  }
}

/** Shows the volume to the pod. Throws VolumeError. */
export async function publish(
  request: SetUpRequest,
  { context, isStaged }: { context: Record<string, string>; isStaged: boolean },
  services: StepServices,
): Promise<void> {
  const { pod, note, driver, object, source, readOnly } = request;
  const { rootDir, tokens } = services;
  const target = targetPath(rootDir, pod.metadata.uid!, note);
  // the target itself is the driver's to make
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
    secrets: { ...(await readSecret(source.nodePublishSecretRef, services)), ...(inSecrets ? accounts : {}) },
    volumeContext: { ...source.volumeAttributes, ...info, ...(inSecrets ? {} : accounts) },
  });
}

/** Gives the files to the pod's fsGroup, where the driver leaves that to the kubelet. */
export async function handToGroup(request: SetUpRequest, { rootDir }: Pick<StepServices, 'rootDir'>): Promise<void> {
  const { pod, note, driver, object, source, accessModes, readOnly } = request;
  const { fsGroup, fsGroupChangePolicy } = pod.spec?.securityContext ?? {};
  if (fsGroup === undefined || readOnly || note.volumeMode === 'Block') return;
  if (driver.capabilities.has(NODE_CAPABILITY.VOLUME_MOUNT_GROUP)) return;
  const inline = note.volumeLifecycleMode === 'Ephemeral';
  if (!mayChangeGroup(object, { fsType: source.fsType ?? '', accessModes, inline })) return;
  await applyFsGroup(targetPath(rootDir, pod.metadata.uid!, note), fsGroup, fsGroupChangePolicy);
}

/** A volume that cannot grow serves at its old size: the pod does not wait for it. */
export async function grow(request: SetUpRequest, { claim, volume }: ClaimedCsiVolume, services: StepServices): Promise<void> {
  const { pod, note, driver, source } = request;
  const { rootDir, log } = services;
  try {
    const secrets = await readSecret(source.nodeExpandSecretRef, services);
    const places = { volumePath: targetPath(rootDir, pod.metadata.uid!, note), stagingTargetPath: stagingPath(rootDir, note) };
    const call = { volumeId: note.volumeHandle, ...places, volumeCapability: capabilityFor(request), secrets };
    await expandOnNode({ pod, claim, volume, driver, request: call }, services);
  } catch (error) {
    log.warn('volume could not be expanded', { volume: volume.metadata.name, error: errorMessage(error) });
  }
}

function capabilityFor({ pod, note, driver, source, accessModes, mountOptions }: SetUpRequest) {
  const { fsGroup } = pod.spec?.securityContext ?? {};
  const facts = {
    accessMode: accessModes[0] ?? 'ReadWriteOnce',
    block: note.volumeMode === 'Block',
    fsType: source.fsType ?? '',
    mountOptions,
  };
  return capabilityOf({ ...facts, ...(fsGroup === undefined ? {} : { fsGroup }) }, driver);
}

async function readSecret(reference: SecretReference | undefined, { objects }: StepServices): Promise<Record<string, string>> {
  const { name, namespace } = reference ?? {};
  if (!name || !namespace) return {};
  const secret = await objects.fresh({ type: SECRETS, namespace, name });
  if (!secret) throw new VolumeError(`failed to find the secret ${name} in the namespace ${namespace}`);
  return Object.fromEntries(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}
