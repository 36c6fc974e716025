/** RFC 3339 in seconds, as metav1.Time. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 in microseconds, as metav1.MicroTime. */
export function microTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}

/** `namespace`-qualified name with the uid, as upstream's format.Pod prints it: `web_default(6f0c…)`. */
export function podText({ metadata: { name, namespace, uid } }: { metadata: { name?: string; namespace?: string; uid?: string } }): string {
  return `${name}_${namespace}(${uid})`;
}
