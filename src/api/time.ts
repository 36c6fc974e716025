/** metav1.Time: RFC 3339 in UTC, whole seconds. */
export function timestamp(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== last.second) last = { second, text: `${new Date(ms).toISOString().slice(0, 19)}Z` };
  return last.text;
}

/** Most times that are written are now, and a second is long. */
let last = { second: Number.NaN, text: '' };

/** metav1.MicroTime: the same with six digits of fraction. */
export function microTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
