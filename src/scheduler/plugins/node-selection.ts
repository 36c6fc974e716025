import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod } from '../../api/types.gen.ts';
import type { NodeInfo } from '../snapshot.ts';

/** Whether a node has what the pod's nodeSelector and required node affinity ask for. */
export function nodeMatcher(pod: Pod): ((node: NodeInfo) => boolean) | undefined {
  const { nodeSelector, affinity } = pod.spec!;
  const pairs = Object.entries(nodeSelector ?? {});
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (pairs.length === 0 && !required) return undefined;
  return (node) => pairs.every(([key, value]) => node.labels[key] === value) && (!required || matchesSelector(required, node));
}

/** Terms are alternatives; a selector without terms matches nothing. */
export function matchesSelector(selector: NodeSelector, node: NodeInfo): boolean {
  return selector.nodeSelectorTerms.some((term) => matchesTerm(term, node));
}

/** The requirements of a term all hold; an empty term matches nothing. */
export function matchesTerm(term: NodeSelectorTerm, node: NodeInfo): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every((each) => holds(each, node.labels[each.key])) &&
    fields.every((each) => holds(each, each.key === 'metadata.name' ? node.name : undefined))
  );
}

function holds({ operator, values = [] }: NodeSelectorRequirement, actual: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return actual !== undefined && values.includes(actual);
    case 'NotIn':
      return actual === undefined || !values.includes(actual);
    case 'Exists':
      return actual !== undefined;
    case 'DoesNotExist':
      return actual === undefined;
    case 'Gt':
      return isWhole(actual) && isWhole(values[0]) && Number(actual) > Number(values[0]);
    case 'Lt':
      return isWhole(actual) && isWhole(values[0]) && Number(actual) < Number(values[0]);
    default:
      return false;
  }
}

const isWhole = (text: string | undefined): text is string => text !== undefined && /^-?\d+$/.test(text);

/** The node names that every alternative of the required affinity pins by `metadata.name`, as a DaemonSet's pods do. */
export function pinnedNodes(pod: Pod): ReadonlySet<string> | undefined {
  const terms = pod.spec!.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!terms || terms.length === 0) return undefined;
  const names = terms.map((term) => term.matchFields?.find(({ key, operator }) => key === 'metadata.name' && operator === 'In')?.values);
  return names.every((each) => each !== undefined) ? new Set(names.flat()) : undefined;
}
