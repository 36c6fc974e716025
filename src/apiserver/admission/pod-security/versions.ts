/**
 * Pod Security Standards change with Kubernetes; a namespace may ask for those of an older version (`pod-security.kubernetes.io/enforce-version:
 * v1.24`). A version is its minor number; `latest` is above all.
 */
import type { PodLike, Violation } from './violation.ts';

/** A check that knows what it asked for in `version`. */
export type Versioned = (pod: PodLike, version: number) => Violation | undefined;

/** The check came with `since`; before there was none. */
export function atLeast(since: number, check: Versioned): Versioned {
  return (pod, version) => (version < since ? undefined : check(pod, version));
}

/** The minor number of a label's value. What is no version counts as the newest: it was refused when it was set, so it is older than the rule. */
export function minorOf(version: string): number {
  const match = /^v1\.(\d+)$/.exec(version);
  return match ? Number(match[1]) : Infinity;
}
