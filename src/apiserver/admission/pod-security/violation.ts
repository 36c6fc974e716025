import type { Container, ObjectMeta, PodSpec, SecurityContext } from '../../../api/types.gen.ts';

/** What a check looks at: a pod, or the template of one. */
export interface PodLike {
  metadata?: ObjectMeta;
  spec: PodSpec;
}

/** Why a pod does not conform; printed as `reason (detail)`. */
export interface Violation {
  reason: string;
  detail: string;
}

export type Check = (pod: PodLike) => Violation | undefined;

/** All containers, in the order that upstream visits them. */
export function containersOf({ initContainers = [], containers = [], ephemeralContainers = [] }: Partial<PodSpec>): Container[] {
  return [...initContainers, ...containers, ...(ephemeralContainers as Container[])];
}

/** The names of the containers whose security context is bad. */
export function namesWhere({ spec }: PodLike, bad: (context: SecurityContext, container: Container) => boolean): string[] {
  return containersOf(spec)
    .filter((container) => bad(container.securityContext ?? {}, container))
    .map(({ name }) => name);
}

export const quoted = (names: readonly string[]): string => names.map((name) => JSON.stringify(name)).join(', ');
export const plural = (one: string, many: string, count: number): string => (count === 1 ? one : many);
/** `container "a"`, `containers "a", "b"` */
export const named = (names: readonly string[], noun = 'container'): string => `${plural(noun, `${noun}s`, names.length)} ${quoted(names)}`;
export const distinct = (values: readonly string[]): string[] => [...new Set(values)].toSorted();

/** Setters as upstream lists them: `pod`, `container "a"`, `pod and containers "a", "b"`. */
export function setters(pod: boolean, names: readonly string[]): string {
  if (names.length === 0) return 'pod';
  return pod ? `pod and ${named(names)}` : named(names);
}
