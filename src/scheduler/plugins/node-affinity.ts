import { type SchedulingPlugin, normaliseByMax } from '../framework.ts';
import { matchesTerm, nodeMatcher, pinnedNodes } from './node-selection.ts';

const REJECTED = { code: 'UnschedulableAndUnresolvable', reasons: ["node(s) didn't match Pod's node affinity/selector"] } as const;

/** nodeSelector and node affinity, required and preferred. */
export const nodeAffinity: SchedulingPlugin = {
  name: 'NodeAffinity',
  begin({ pod }) {
    const matches = nodeMatcher(pod);
    const preferred = (pod.spec!.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).filter(
      ({ weight }) => weight !== 0,
    );
    if (!matches && preferred.length === 0) return undefined;
    const only = pinnedNodes(pod);
    return {
      ...(only ? { only } : {}),
      ...(matches ? { filter: (node) => (matches(node) ? undefined : REJECTED) } : {}),
      ...(preferred.length > 0
        ? {
            score: (node) => preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0),
            normalise: (scores) => normaliseByMax(scores, false),
          }
        : {}),
    };
  },
  wakesOn: ({ resource, node }, { pod }) => resource === 'Node' && node !== undefined && (nodeMatcher(pod)?.(node) ?? true),
};
