/** Whether a DaemonSet's pod belongs on a node, told from the node alone: the scheduler will agree when it binds the pod. */
import type {
  DaemonSet,
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  Pod,
  PodSpec,
  Taint,
  Toleration,
} from '../../api/types.gen.ts';
import { tolerates } from '../../api/tolerations.ts';

const NODE_NAME_FIELD = 'metadata.name';

export interface Fit {
  /** A pod should be made there. */
  shouldRun: boolean;
  /** One that is there already may stay. */
  mayStay: boolean;
}

/** What every pod of a DaemonSet tolerates: daemons must run where ordinary pods cannot or not yet. */
export function daemonTolerations({ tolerations = [], hostNetwork }: PodSpec): Toleration[] {
  const added: Toleration[] = [
    { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
    { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
    { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
    { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
    ...(hostNetwork ? [{ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' }] : []),
  ];
  const isSame = (a: Toleration, b: Toleration): boolean =>
    a.key === b.key && a.effect === b.effect && a.operator === b.operator && a.value === b.value;
  return [...tolerations, ...added.filter((each) => !tolerations.some((own) => isSame(own, each)))];
}

export function fitOn(daemonSet: DaemonSet, node: Node): Fit {
  return fitting(daemonSet)(node);
}

/** `fitOn` for many nodes: what follows from the DaemonSet alone is worked out once. */
export function fitting({ spec }: DaemonSet): (node: Node) => Fit {
  const pod = spec?.template.spec ?? { containers: [] };
  const tolerations = daemonTolerations(pod);
  const isTolerated = (taint: Taint): boolean => tolerations.some((toleration) => tolerates(toleration, taint));
  return (node) => {
    const isElsewhere = pod.nodeName !== undefined && pod.nodeName !== node.metadata.name;
    if (isElsewhere || !matchesSelectors(pod, node)) return { shouldRun: false, mayStay: false };
    const hostile = (node.spec?.taints ?? []).filter((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint));
    return { shouldRun: hostile.length === 0, mayStay: hostile.every(({ effect }) => effect !== 'NoExecute') };
  };
}

/** The pod is bound to the node by its affinity, and by the scheduler (KEP-548). */
export function pinnedTo(spec: PodSpec, nodeName: string): PodSpec {
  const onNode = { nodeSelectorTerms: [{ matchFields: [{ key: NODE_NAME_FIELD, operator: 'In', values: [nodeName] }] }] };
  const nodeAffinity = { ...spec.affinity?.nodeAffinity, requiredDuringSchedulingIgnoredDuringExecution: onNode };
  return { ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations: daemonTolerations(spec) };
}

/** The node that a pod runs on, or waits to be bound to. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec?.nodeName) return spec.nodeName;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return terms.flatMap(({ matchFields = [] }) => matchFields).find(({ key, operator }) => key === NODE_NAME_FIELD && operator === 'In')
    ?.values?.[0];
}

function matchesSelectors({ nodeSelector = {}, affinity }: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  if (Object.entries(nodeSelector).some(([key, value]) => labels[key] !== value)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || matchesNodeSelector(required, node);
}

/** Terms are alternatives; a selector without terms matches nothing. */
export function matchesNodeSelector({ nodeSelectorTerms }: NodeSelector, node: Node): boolean {
  return nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** A term without requirements matches no node. */
function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, { metadata }: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { [NODE_NAME_FIELD]: metadata.name! };
  return matchExpressions.every((each) => meets(each, metadata.labels ?? {})) && matchFields.every((each) => meets(each, fields));
}

function meets({ key, operator, values = [] }: NodeSelectorRequirement, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  if (operator === 'NotIn') return value === undefined || !values.includes(value);
  if (value === undefined) return false;
  if (operator === 'In') return values.includes(value);
  if (!/^-?\d+$/.test(value)) return false;
  return operator === 'Gt' ? Number(value) > Number(values[0]) : operator === 'Lt' && Number(value) < Number(values[0]);
}
