import { tolerates } from '../../api/tolerations.ts';
import type { Taint, Toleration } from '../../api/types.gen.ts';

/**
 * How long a pod may stay under these NoExecute taints, ms: 0 when one of them is not tolerated, Infinity when all are for ever, else the
 * shortest tolerationSeconds. A negative or zero tolerationSeconds means now.
 */
export function toleratedFor(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  let least = Infinity;
  for (const taint of taints) {
    const covering = tolerations.filter((toleration) => tolerates(toleration, taint));
    if (covering.length === 0) return 0;
    for (const { tolerationSeconds } of covering) {
      if (tolerationSeconds !== undefined) least = Math.min(least, Math.max(tolerationSeconds, 0) * 1000);
    }
  }
  return least;
}
