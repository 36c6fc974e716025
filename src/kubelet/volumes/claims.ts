import type { PersistentVolume } from '../../api/types.gen.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES } from '../../client/resources.ts';
import { prepareHostPath } from './host-path.ts';
import type { WatchedObjects } from './objects.ts';
import { VolumeError } from './payload.ts';

/** The folder on the node behind a claim. Throws VolumeError while the claim is missing or not bound, or its volume is of a kind that we cannot mount. */
export async function claimedPath(objects: WatchedObjects, namespace: string, name: string): Promise<{ path: string; block: boolean }> {
  const claim = await objects.fresh({ type: PERSISTENT_VOLUME_CLAIMS, namespace, name });
  if (!claim) throw new VolumeError(`persistentvolumeclaim "${name}" not found`);
  if (claim.metadata.deletionTimestamp) throw new VolumeError(`persistentvolumeclaim "${name}" is being deleted`);
  const volumeName = claim.spec?.volumeName;
  if (claim.status?.phase !== 'Bound' || !volumeName) throw new VolumeError(`PVC ${namespace}/${name} is not bound`);
  const volume = await objects.fresh({ type: PERSISTENT_VOLUMES, namespace: '', name: volumeName });
  if (!volume) throw new VolumeError(`persistentvolume "${volumeName}" not found`);
  return { path: await volumePath(volume), block: volume.spec?.volumeMode === 'Block' };
}

async function volumePath(volume: PersistentVolume): Promise<string> {
  const { hostPath, local } = volume.spec ?? {};
  if (hostPath) {
    await prepareHostPath(hostPath.path, hostPath.type);
    return hostPath.path;
  }
  if (local) {
    await prepareHostPath(local.path, 'Directory');
    return local.path;
  }
  throw new VolumeError(`persistentvolume "${volume.metadata.name}": only hostPath and local volumes can be mounted`);
}
