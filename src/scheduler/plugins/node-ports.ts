import { hostPortsClash } from '../../api/host-ports.ts';
import type { SchedulingPlugin } from '../framework.ts';

const REJECTED = { code: 'Unschedulable', reasons: ["node(s) didn't have free ports for the requested pod ports"] } as const;

/** Two pods cannot have the same port of a node. */
export const nodePorts: SchedulingPlugin = {
  name: 'NodePorts',
  begin({ hostPorts }) {
    if (hostPorts.length === 0) return undefined;
    return {
      filter: (node) => (hostPorts.some((wanted) => node.hostPorts.some((taken) => hostPortsClash(wanted, taken))) ? REJECTED : undefined),
    };
  },
  sign: ({ hostPorts }) => hostPorts,
  wakesOn: ({ resource, action, pod }, { hostPorts }) =>
    (resource === 'Node' && action === 'add') ||
    (resource === 'AssignedPod' &&
      action === 'delete' &&
      pod !== undefined &&
      pod.hostPorts.some((freed) => hostPorts.some((wanted) => hostPortsClash(freed, wanted)))),
};
