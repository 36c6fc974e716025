/** What is to be done on each node for a DaemonSet. */
import type { DaemonSet, Node, Pod } from '../../api/types.gen.ts';
import { isAvailable, isTerminating } from '../pods/pod-state.ts';
import { resolveIntOrPercent } from '../rollout/int-or-percent.ts';
import { REVISION_HASH } from '../rollout/controller-revisions.ts';
import { fitting, nodeOf, type Fit } from './node-fit.ts';

export interface NodeState {
  name: string;
  fit: Fit;
  /** All pods of the DaemonSet there, those that are ending too. */
  pods: readonly Pod[];
}

export interface Plan {
  /** Names of nodes. */
  create: string[];
  delete: Pod[];
  /** Pods that failed; they are deleted with a growing delay. */
  failed: Pod[];
  succeeded: Pod[];
}

export interface PlanInput {
  daemonSet: DaemonSet;
  nodes: readonly NodeState[];
  /** The present revision. */
  hash: string;
  now: number;
}

/** Every node that is there, and those that only have pods left. */
export function nodeStates(daemonSet: DaemonSet, nodes: readonly Node[], pods: readonly Pod[]): NodeState[] {
  const podsOn = Map.groupBy(pods, (pod) => nodeOf(pod) ?? '');
  const fit = fitting(daemonSet);
  const states = nodes.map((node) => ({
    name: node.metadata.name!,
    fit: fit(node),
    pods: podsOn.get(node.metadata.name!) ?? [],
  }));
  const known = new Set(states.map(({ name }) => name));
  for (const [name, left] of podsOn) {
    // Pods that ran on a node that is gone are the pod garbage collector's; those that wait for it would wait for ever.
    const waiting = left.filter(({ spec }) => !spec?.nodeName);
    if (!known.has(name) && waiting.length > 0) states.push({ name, fit: { shouldRun: false, mayStay: false }, pods: waiting });
  }
  return states;
}

/** Each node that should run the daemon has one pod, every other none. */
export function planNodes({ daemonSet, nodes, hash, now }: PlanInput): Plan {
  const plan: Plan = { create: [], delete: [], failed: [], succeeded: [] };
  const surge = surgeOf(daemonSet, nodes) > 0;
  for (const { name, fit, pods } of nodes) {
    if (pods.length === 0) {
      if (fit.shouldRun) plan.create.push(name);
      continue;
    }
    const staying = pods.filter((pod) => !isTerminating(pod));
    if (!fit.mayStay) {
      plan.delete.push(...staying);
      continue;
    }
    const phases = Map.groupBy(staying, ({ status }) =>
      status?.phase === 'Failed' || status?.phase === 'Succeeded' ? status.phase : 'running',
    );
    plan.failed.push(...(phases.get('Failed') ?? []));
    plan.succeeded.push(...(phases.get('Succeeded') ?? []));
    plan.delete.push(...surplus(phases.get('running') ?? [], { surge, hash, minReadySeconds: daemonSet.spec?.minReadySeconds ?? 0, now }));
    // While one goes by a surge its successor is there already; without, the next comes when it is gone.
    if (surge && fit.shouldRun && staying.length === 0) plan.create.push(name);
  }
  return plan;
}

/** Of several pods on one node the oldest stays; in a surge also one of each revision, until the new one is available. */
function surplus(
  pods: readonly Pod[],
  { surge, hash, minReadySeconds, now }: { surge: boolean; hash: string; minReadySeconds: number; now: number },
): Pod[] {
  const sorted = pods.toSorted(boundAndOldestFirst);
  if (!surge) return sorted.slice(1);
  const isNew = (pod: Pod): boolean => pod.metadata.labels?.[REVISION_HASH] === hash;
  const [newest, ...moreNew] = sorted.filter(isNew);
  const [oldest, ...moreOld] = sorted.filter((pod) => !isNew(pod));
  const isReplaced = newest && oldest && isAvailable(newest, minReadySeconds, now);
  return [...moreNew, ...moreOld, ...(isReplaced ? [oldest] : [])];
}

/** A rolling update's next steps: nodes on which the new pod comes first, and old pods that make room for theirs. */
export function planUpdate({ daemonSet, nodes, hash, now }: PlanInput): Plan {
  const plan: Plan = { create: [], delete: [], failed: [], succeeded: [] };
  const minReadySeconds = daemonSet.spec?.minReadySeconds ?? 0;
  const surge = surgeOf(daemonSet, nodes);
  const certain: { node: string; pod: Pod }[] = [];
  const candidates: { node: string; pod: Pod }[] = [];
  let busy = 0;
  for (const { name, fit, pods } of nodes) {
    if (!fit.shouldRun) continue;
    const [fresh] = pods.filter((pod) => pod.metadata.labels?.[REVISION_HASH] === hash && !isTerminating(pod));
    const [old] = pods.filter((pod) => pod.metadata.labels?.[REVISION_HASH] !== hash && !isTerminating(pod));
    if (old && !fresh) (isAvailable(old, minReadySeconds, now) ? candidates : certain).push({ node: name, pod: old });
    if (surge > 0) {
      if (old && fresh) busy++;
    } else if ((old && fresh) || !old) {
      if (!fresh || !isAvailable(fresh, minReadySeconds, now)) busy++;
    } else if (!isAvailable(old, minReadySeconds, now)) busy++;
  }
  const allowed = surge > 0 ? surge : unavailableAllowed(daemonSet, nodes);
  // What does not serve anyway may always be replaced.
  const chosen = [...certain, ...candidates.slice(0, Math.max(0, allowed - busy))];
  if (surge > 0) plan.create.push(...chosen.map(({ node }) => node));
  else plan.delete.push(...chosen.map(({ pod }) => pod));
  return plan;
}

export function boundAndOldestFirst(a: Pod, b: Pod): number {
  const bound = Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName));
  return bound || (a.metadata.creationTimestamp! < b.metadata.creationTimestamp! ? -1 : 1);
}

function desired(nodes: readonly NodeState[]): number {
  return nodes.filter(({ fit }) => fit.shouldRun).length;
}

function surgeOf({ spec }: DaemonSet, nodes: readonly NodeState[]): number {
  if (spec?.updateStrategy?.type !== 'RollingUpdate') return 0;
  return resolveIntOrPercent(spec.updateStrategy.rollingUpdate?.maxSurge, desired(nodes), 'up');
}

function unavailableAllowed({ spec }: DaemonSet, nodes: readonly NodeState[]): number {
  return resolveIntOrPercent(spec?.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1, desired(nodes), 'up');
}
