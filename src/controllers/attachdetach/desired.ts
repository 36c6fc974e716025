/** Which volumes should be attached to a node, told from its pods. */
import type { CSIDriver, PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { isMeantFor } from '../persistentvolume/storage.ts';
import { claimsOf } from '../persistentvolume/pods-of-claims.ts';
import { isTerminal } from '../pods/pod-state.ts';

export interface VolumeCaches {
  pods: Informer<Pod>;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  drivers: Informer<CSIDriver>;
}

export interface WantedVolume {
  volume: PersistentVolume;
  /** That use it on this node. */
  pods: Pod[];
}

/** The index of pods that have a node and claims, by node. */
export const NODE_INDEX = 'node-of-claimants';

export function nodeOfClaimant(pod: Pod): string[] {
  return pod.spec?.nodeName && claimsOf(pod).length > 0 ? [pod.spec.nodeName] : [];
}

/** By PersistentVolume name. A pod that has ended uses nothing. */
export function wantedVolumes(nodeName: string, caches: VolumeCaches): Map<string, WantedVolume> {
  const wanted = new Map<string, WantedVolume>();
  for (const pod of caches.pods.byIndex(NODE_INDEX, nodeName)) {
    if (isTerminal(pod)) continue;
    for (const key of claimsOf(pod)) {
      const volume = attachableVolume(key, caches);
      if (!volume) continue;
      const name = volume.metadata.name!;
      const known = wanted.get(name);
      if (known) known.pods.push(pod);
      else wanted.set(name, { volume, pods: [pod] });
    }
  }
  return wanted;
}

function attachableVolume(claimKey: string, { claims, volumes, drivers }: VolumeCaches): PersistentVolume | undefined {
  const claim = claims.get(claimKey);
  const volume = claim?.spec?.volumeName ? volumes.get(claim.spec.volumeName) : undefined;
  const csi = volume?.spec?.csi;
  if (!claim || !volume || !csi || !isMeantFor(volume, claim)) return undefined;
  return (drivers.get(csi.driver)?.spec.attachRequired ?? true) ? volume : undefined;
}

/** Only these access modes let a volume be on several nodes. */
export function mayBeOnManyNodes({ spec }: PersistentVolume): boolean {
  return (spec?.accessModes ?? []).some((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany');
}
