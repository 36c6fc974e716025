import type { PersistentVolume, PersistentVolumeClaim } from '../../api/types.gen.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import { prepareHostPath } from './host-path.ts';
import type { WatchedObjects } from './objects.ts';
import { VolumeError } from './payload.ts';

/** A claim and its volume. Throws VolumeError while the claim is missing or not bound. */
export async function claimedVolume(
  objects: WatchedObjects,
  namespace: string,
  name: string,
): Promise<{ claim: PersistentVolumeClaim; volume: PersistentVolume }> {
  const claim = await objects.fresh({ type: PERSISTENT_VOLUME_CLAIMS, namespace, name });
  if (!claim) throw new VolumeError(`persistentvolumeclaim "${name}" not found`);
  if (claim.metadata.deletionTimestamp) throw new VolumeError(`persistentvolumeclaim "${name}" is being deleted`);
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName) throw new VolumeError(`PVC ${namespace}/${name} is not bound`);
  const volume = await objects.fresh({ type: PERSISTENT_VOLUMES, namespace: '', name: volumeName });
  if (!volume) throw new VolumeError(`persistentvolume "${volumeName}" not found`);
  return { claim, volume };
}

/** The place on the node of a volume that needs no mounting. Throws VolumeError for kinds that we cannot mount. */
export async function localPath(volume: PersistentVolume): Promise<string> {
  const { hostPath, local } = volume.spec ?? {};
  if (hostPath) {
    await prepareHostPath(hostPath.path, hostPath.type);
    return hostPath.path;
  }
  if (local) {
    await prepareHostPath(local.path, 'Directory');
    return local.path;
  }
  throw new VolumeError(`persistentvolume "${volume.metadata.name}": only hostPath, local and csi volumes can be mounted`);
}
