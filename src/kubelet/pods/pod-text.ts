/** `namespace`-qualified name with the uid, as upstream's format.Pod prints it: `web_default(6f0c…)`. */
export function podText({ metadata: { name, namespace, uid } }: { metadata: { name?: string; namespace?: string; uid?: string } }): string {
  return `${name}_${namespace}(${uid})`;
}
