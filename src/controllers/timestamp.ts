/** metav1.Time keeps seconds: `2026-01-01T00:00:00Z`. `now` in milliseconds since the epoch. */
export function timestamp(now: number): string {
  return `${new Date(now).toISOString().slice(0, 19)}Z`;
}
