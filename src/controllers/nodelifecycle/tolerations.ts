import type { Taint, Toleration } from '../../api/types.gen.ts';

/** Whether a toleration covers a taint: the rules of core/v1's Toleration. An empty key with Exists covers all, an empty effect every effect. */
export function tolerates({ key, effect, operator, value }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return Boolean(key) && (operator === undefined || operator === '' || operator === 'Equal') && (value ?? '') === (taint.value ?? '');
}

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
