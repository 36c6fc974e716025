import { failure } from '../cluster/reasons.ts';

/** `90s`, `2m`, `1m30s`, `500ms`, or seconds as a bare number; in milliseconds. Throws USAGE. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map(([whole]) => whole).join('') === text) {
    const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    return parts.reduce((sum, [, value, name]) => sum + Number(value) * unit[name as keyof typeof unit], 0);
  }
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  throw failure('USAGE', `"${text}" is not a duration; write 90s or 2m`);
}

/** `2g`, `1500m`, `2Gi`, `1500Mi`, or MiB as a bare number; in MiB. Throws USAGE. */
export function parseMemory(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(m|mb|mi|g|gb|gi)?$/i.exec(text);
  if (!match) throw failure('USAGE', `"${text}" is not an amount of memory; write 2g or 1500m`);
  const mib = Math.round(Number(match[1]) * (match[2]?.toLowerCase().startsWith('g') ? 1024 : 1));
  if (mib < 256) throw failure('MEMORY', `${mib} MiB is too little for a node; it needs 256`);
  return mib;
}
