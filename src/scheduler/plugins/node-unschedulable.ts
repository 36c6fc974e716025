import type { SchedulingPlugin } from '../framework.ts';
import { isTolerated } from '../../api/tolerations.ts';

const REJECTED = { code: 'UnschedulableAndUnresolvable', reasons: ['node(s) were unschedulable'] } as const;
const CORDONED = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Keeps pods off cordoned nodes, unless they tolerate the taint that stands for it. */
export const nodeUnschedulable: SchedulingPlugin = {
  name: 'NodeUnschedulable',
  begin({ pod }) {
    if (isTolerated(CORDONED, pod.spec!.tolerations)) return undefined;
    return { filter: (node) => (node.node.spec?.unschedulable ? REJECTED : undefined) };
  },
  sign: ({ pod }) => pod.spec!.tolerations,
  wakesOn: ({ resource, node }) => resource === 'Node' && node !== undefined && !node.node.spec?.unschedulable,
};
