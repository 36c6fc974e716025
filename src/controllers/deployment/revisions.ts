/** Which ReplicaSet is a Deployment's present one, and the revisions and notes that they carry in annotations. */
import { deepEqual } from '../../api/patch/json.ts';
import type { Deployment, ObjectMeta, PodTemplateSpec, ReplicaSet } from '../../api/types.gen.ts';
import { maxSurge } from './limits.ts';

export const HASH_LABEL = 'pod-template-hash';
export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
export const ROLLBACK_TO = 'deprecated.deployment.rollback.to';
const REVISION_HISTORY_MAX_CHARS = 2000;

/** What of a Deployment's annotations its ReplicaSets do not get. */
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  ROLLBACK_TO,
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
]);

type Annotations = Record<string, string>;

/** The ReplicaSet with the Deployment's template; the oldest, should there be several. */
export function findNewReplicaSet({ spec }: Deployment, replicaSets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return byAge(replicaSets).find((replicaSet) => sameTemplate(replicaSet.spec?.template, spec?.template));
}

/** Equal but for the hash label, which the Deployment's own template does not have. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return deepEqual(withoutHash(a), withoutHash(b));
}

/** A ReplicaSet's template as its Deployment has it. */
export function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const labels = template?.metadata?.labels;
  if (!labels || !(HASH_LABEL in labels)) return template;
  const { [HASH_LABEL]: _hash, ...others } = labels;
  return { ...template, metadata: { ...template.metadata, labels: others } };
}

export function byAge(replicaSets: readonly ReplicaSet[]): ReplicaSet[] {
  return replicaSets.toSorted(olderFirst);
}

export function olderFirst({ metadata: a }: ReplicaSet, { metadata: b }: ReplicaSet): number {
  if (a.creationTimestamp !== b.creationTimestamp) return (a.creationTimestamp ?? '') < (b.creationTimestamp ?? '') ? -1 : 1;
  return a.name! < b.name! ? -1 : a.name === b.name ? 0 : 1;
}

/** A whole number of 64 bits, as upstream counts: clients may begin anywhere. 0 where there is none, or no number. */
export function revisionOf({ metadata }: ReplicaSet | Deployment): bigint {
  return parseRevision(metadata.annotations?.[REVISION]);
}

const parseRevision = (text: string | undefined): bigint => (text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : 0n);

export function earlierRevisionFirst(a: ReplicaSet, b: ReplicaSet): number {
  const [first, second] = [revisionOf(a), revisionOf(b)];
  return first < second ? -1 : first > second ? 1 : 0;
}

/** The revision that a rollout to another template than those of `old` has. */
export function nextRevision(old: readonly ReplicaSet[]): bigint {
  return old.map(revisionOf).reduce((most, revision) => (revision > most ? revision : most), 0n) + 1n;
}

/**
 * The annotations of the present ReplicaSet: the Deployment's own and `revision`, unless it has a later one. A revision that it had before
 * goes into its history: rolling back renumbers. Returns `current` itself when nothing changes.
 */
export function newReplicaSetAnnotations(deployment: Deployment, current: Annotations, revision: bigint): Annotations {
  const next = { ...current };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) if (!NOT_COPIED.has(key)) next[key] = value;
  const before = current[REVISION];
  if (parseRevision(before) < revision) {
    next[REVISION] = String(revision);
    if (before) next[REVISION_HISTORY] = withRevision(current[REVISION_HISTORY], before);
  }
  return deepEqual(next, current) ? current : next;
}

/** The metadata of a Deployment that takes the annotations of one of its ReplicaSets; what a ReplicaSet does not get stays as it is. */
export function withAnnotationsOf(replicaSet: ReplicaSet, metadata: ObjectMeta): ObjectMeta {
  const own = Object.entries(metadata.annotations ?? {}).filter(([key]) => NOT_COPIED.has(key));
  const copied = Object.entries(replicaSet.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key));
  return { ...metadata, annotations: Object.fromEntries([...own, ...copied]) };
}

function withRevision(history: string | undefined, revision: string): string {
  if (!history) return revision;
  const revisions = [...history.split(','), revision];
  while (revisions.length > 1 && revisions.join(',').length > REVISION_HISTORY_MAX_CHARS) revisions.shift();
  return revisions.join(',');
}

/** How big a ReplicaSet's Deployment was when it was last scaled: proportional scaling starts from there. */
export function replicasAnnotations(deployment: Deployment): Annotations {
  const desired = deployment.spec?.replicas ?? 1;
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(desired + maxSurge(deployment)) };
}

/** undefined where the annotation is missing or no number. */
export function numberAnnotation({ metadata }: ReplicaSet, name: string): number | undefined {
  const text = metadata.annotations?.[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
