import type { IntOrString } from '../../api/types.gen.ts';

/** `3` as it is, `"30%"` of `total`, rounded up or down. Text that is neither (validation refuses it) counts as 0. */
export function resolveIntOrPercent(value: IntOrString | undefined, total: number, round: 'up' | 'down'): number {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  if (percent === undefined) return 0;
  const exact = (Number(percent) * total) / 100;
  return round === 'up' ? Math.ceil(exact) : Math.floor(exact);
}
