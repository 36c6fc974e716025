import type { SchedulingPlugin } from '../framework.ts';

const REJECTED = { code: 'UnschedulableAndUnresolvable', reasons: ["node(s) didn't match the requested node name"] } as const;

/** A pod that names its node goes there or nowhere. */
export const nodeName: SchedulingPlugin = {
  name: 'NodeName',
  begin({ pod }) {
    const wanted = pod.spec!.nodeName;
    if (!wanted) return undefined;
    return { filter: (node) => (node.name === wanted ? undefined : REJECTED) };
  },
  sign: ({ pod }) => pod.spec!.nodeName,
  wakesOn: ({ resource, action }) => resource === 'Node' && action === 'add',
};
