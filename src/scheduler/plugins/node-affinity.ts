import type { NodeAffinity } from '../../api/types.gen.ts';
import { type SchedulingPlugin, normaliseByMax } from '../framework.ts';
import { matchesSelector, matchesTerm, nodeMatcher, pinnedNodes } from './node-selection.ts';

export interface NodeAffinityArgs {
  /** Asked of every pod of the profile besides its own affinity. */
  addedAffinity?: NodeAffinity;
}

const REJECTED = { code: 'UnschedulableAndUnresolvable', reasons: ["node(s) didn't match Pod's node affinity/selector"] } as const;
const REJECTED_BY_ADDED = {
  code: 'UnschedulableAndUnresolvable',
  reasons: ["node(s) didn't match scheduler-enforced node affinity"],
} as const;

/** nodeSelector and node affinity, required and preferred. */
export function nodeAffinity({ addedAffinity }: NodeAffinityArgs = {}): SchedulingPlugin {
  const added = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const alsoPreferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    name: 'NodeAffinity',
    begin({ pod }) {
      const matches = nodeMatcher(pod);
      const own = pod.spec!.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      const preferred = [...own, ...alsoPreferred].filter(({ weight }) => weight !== 0);
      if (!matches && !added && preferred.length === 0) return undefined;
      const only = pinnedNodes(pod);
      return {
        ...(only ? { only } : {}),
        ...(matches || added
          ? {
              filter: (node) => {
                if (added && !matchesSelector(added, node)) return REJECTED_BY_ADDED;
                return !matches || matches(node) ? undefined : REJECTED;
              },
            }
          : {}),
        ...(preferred.length > 0
          ? {
              score: (node) => preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0),
              normalise: (scores) => normaliseByMax(scores, false),
            }
          : {}),
      };
    },
    sign: ({ pod: { spec } }) => [spec!.nodeSelector, spec!.affinity?.nodeAffinity],
    wakesOn: ({ resource, node }, { pod }) =>
      resource === 'Node' && node !== undefined && (!added || matchesSelector(added, node)) && (nodeMatcher(pod)?.(node) ?? true),
  };
}
