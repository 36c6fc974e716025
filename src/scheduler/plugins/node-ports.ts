import type { SchedulingPlugin } from '../framework.ts';
import type { HostPort } from '../snapshot.ts';

const REJECTED = { code: 'Unschedulable', reasons: ["node(s) didn't have free ports for the requested pod ports"] } as const;

function clash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');
}

/** Two pods cannot have the same port of a node. */
export const nodePorts: SchedulingPlugin = {
  name: 'NodePorts',
  begin({ hostPorts }) {
    if (hostPorts.length === 0) return undefined;
    return { filter: (node) => (hostPorts.some((wanted) => node.hostPorts.some((taken) => clash(wanted, taken))) ? REJECTED : undefined) };
  },
  sign: ({ hostPorts }) => hostPorts,
  wakesOn: ({ resource, action, pod }, { hostPorts }) =>
    (resource === 'Node' && action === 'add') ||
    (resource === 'AssignedPod' &&
      action === 'delete' &&
      pod !== undefined &&
      pod.hostPorts.some((freed) => hostPorts.some((wanted) => clash(freed, wanted)))),
};
