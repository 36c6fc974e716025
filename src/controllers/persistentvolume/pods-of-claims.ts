import type { Pod } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';

export const CLAIM_INDEX = 'claims';

/** The keys of the claims that a pod uses; those of ephemeral volumes are named after pod and volume (KEP-1698). */
export function claimsOf({ metadata, spec }: Pod): string[] {
  const keys: string[] = [];
  for (const { name, persistentVolumeClaim, ephemeral } of spec?.volumes ?? []) {
    if (persistentVolumeClaim) keys.push(`${metadata.namespace}/${persistentVolumeClaim.claimName}`);
    else if (ephemeral) keys.push(`${metadata.namespace}/${metadata.name}-${name}`);
  }
  return keys;
}

/** Call before the informer starts. */
export function indexByClaim(pods: Informer<Pod>): void {
  pods.addIndex(CLAIM_INDEX, claimsOf);
}
