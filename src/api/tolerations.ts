import type { Taint, Toleration } from './types.gen.ts';

/** Whether the toleration covers the taint (core/v1 Toleration.ToleratesTaint, with the numeric operators of KEP-5471). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  switch (toleration.operator || 'Equal') {
    case 'Exists':
      return true;
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '') && Boolean(toleration.key);
    case 'Lt':
      return isWhole(taint.value) && isWhole(toleration.value) && Number(taint.value) < Number(toleration.value);
    case 'Gt':
      return isWhole(taint.value) && isWhole(toleration.value) && Number(taint.value) > Number(toleration.value);
    default:
      return false;
  }
}

const isWhole = (text: string | undefined): text is string => text !== undefined && /^-?(0|[1-9]\d*)$/.test(text);

/** Whether one of the tolerations covers the taint. */
export function isTolerated(taint: Taint, tolerations: readonly Toleration[] | undefined): boolean {
  return (tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}
