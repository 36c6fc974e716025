import { type SchedulingPlugin, normaliseByMax } from '../framework.ts';
import { isTolerated } from '../../api/tolerations.ts';

const REJECTED = { code: 'UnschedulableAndUnresolvable', reasons: ['node(s) had untolerated taint(s)'] } as const;

/** NoSchedule and NoExecute taints keep pods away; of the rest, nodes with fewer untolerated PreferNoSchedule taints are better. */
export const taintToleration: SchedulingPlugin = {
  name: 'TaintToleration',
  begin({ pod }) {
    const { tolerations } = pod.spec!;
    const preferring = tolerations?.filter(({ effect }) => !effect || effect === 'PreferNoSchedule');
    return {
      filter: (node) =>
        node.node.spec?.taints?.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, tolerations))
          ? REJECTED
          : undefined,
      preScore: (nodes) => nodes.some(({ node }) => node.spec?.taints?.some(({ effect }) => effect === 'PreferNoSchedule')),
      score: (node) =>
        node.node.spec?.taints?.filter((taint) => taint.effect === 'PreferNoSchedule' && !isTolerated(taint, preferring)).length ?? 0,
      normalise: (scores) => normaliseByMax(scores, true),
    };
  },
  sign: ({ pod }) => pod.spec!.tolerations,
  wakesOn: ({ resource, node }, { pod }) =>
    resource === 'Node' &&
    node !== undefined &&
    !node.node.spec?.taints?.some((taint) => taint.effect !== 'PreferNoSchedule' && !isTolerated(taint, pod.spec!.tolerations)),
};
