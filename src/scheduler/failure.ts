/** Why no node took a pod, and how kube-scheduler says it. */
import type { Rejection } from './framework.ts';
import type { NodeInfo } from './snapshot.ts';

export interface FitFailure {
  /** How many nodes there are. */
  total: number;
  /** Set when a plugin rejected the pod whatever the node. */
  whole?: string;
  rejections: ReadonlyMap<string, Rejection>;
  rejectedBy: ReadonlySet<string>;
}

/** A plugin rejected the pod before any node was looked at. */
export function failureOfAll(nodes: readonly NodeInfo[], rejection: Rejection, by: string): FitFailure {
  return {
    total: nodes.length,
    whole: rejection.reasons.join(', '),
    rejections: new Map(nodes.map((node) => [node.name, rejection])),
    rejectedBy: new Set([by]),
  };
}

/**
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` and after it what the steps that might have helped said
 * (`no new claims to deallocate, preemption: …`).
 */
export function failureMessage({ total, whole, rejections }: FitFailure, afterwards: readonly string[] = []): string {
  if (total === 0 && whole === undefined) return 'no nodes available to schedule pods';
  const reasons = whole ?? histogram(rejections.values());
  const rest = afterwards.length > 0 ? ` ${afterwards.join(', ')}` : '';
  return `0/${total} nodes are available:${reasons ? ` ${reasons}.` : ''}${rest}`;
}

/** `1 Insufficient cpu, 2 node(s) were unschedulable`: each reason with how often it was given. */
export function histogram(rejections: Iterable<Rejection>): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts]
    .map(([reason, count]) => `${count} ${reason}`)
    .toSorted()
    .join(', ');
}
