import { timestamp } from '../../api/time.ts';
import type { Node, Taint } from '../../api/types.gen.ts';

export const NOT_READY = 'node.kubernetes.io/not-ready';
export const UNREACHABLE = 'node.kubernetes.io/unreachable';

/** Which condition in which status stands for which taint (KEP-382, taint nodes by condition). */
const CONDITION_TAINTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
};
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';
const OURS_NO_SCHEDULE = new Set([UNSCHEDULABLE, ...Object.values(CONDITION_TAINTS).flatMap((byStatus) => Object.values(byStatus))]);
const OURS_NO_EXECUTE = new Set([NOT_READY, UNREACHABLE]);

/** The taint whose NoExecute form moves pods away; undefined for a node that is ready. */
export function readinessTaint(node: Node): string | undefined {
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready');
  return ready ? CONDITION_TAINTS['Ready']![ready.status] : undefined;
}

/**
 * The taints that a node should have: those of others untouched, ours as conditions and spec.unschedulable say. `noExecute` is the
 * readiness taint to have in its NoExecute form, if any. undefined: the node has them already. A taint that stays keeps its timeAdded.
 */
export function desiredTaints(node: Node, noExecute: string | undefined, now: number): Taint[] | undefined {
  const current = node.spec?.taints ?? [];
  const wanted = new Map<string, Taint>();
  const want = (key: string, effect: string): void => {
    wanted.set(`${key}:${effect}`, { key, effect, timeAdded: timestamp(now) });
  };
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = CONDITION_TAINTS[type]?.[status];
    if (key) want(key, 'NoSchedule');
  }
  if (node.spec?.unschedulable) want(UNSCHEDULABLE, 'NoSchedule');
  if (noExecute) want(noExecute, 'NoExecute');
  const kept = current.filter((taint) => !isOurs(taint) || wanted.has(`${taint.key}:${taint.effect}`));
  for (const { key, effect } of kept) wanted.delete(`${key}:${effect}`);
  return kept.length === current.length && wanted.size === 0 ? undefined : [...kept, ...wanted.values()];
}

export function hasNoExecute(node: Node): boolean {
  return node.spec?.taints?.some(({ effect }) => effect === 'NoExecute') ?? false;
}

function isOurs({ key, effect }: Taint): boolean {
  if (effect === 'NoSchedule') return OURS_NO_SCHEDULE.has(key);
  return effect === 'NoExecute' && OURS_NO_EXECUTE.has(key);
}
