import type { Duplex } from 'node:stream';
import { isFleetNode } from './fleet-node.ts';

/**
 * For the API server, which dials kubelets by the name of their node: the nodes of a fleet have none, and whoever asks for logs or exec
 * there is told so at once. Undefined for other nodes.
 */
export function fleetDialer(
  nodePrefix: string,
): (nodeName: string) => { authority: string; scheme: 'https'; connect(): Promise<Duplex> } | undefined {
  return (nodeName) =>
    isFleetNode(nodePrefix, nodeName)
      ? {
          authority: nodeName,
          scheme: 'https',
          connect: () => Promise.reject(new Error(`node ${nodeName} is one of many simulated nodes: its pods have no logs, exec or ports`)),
        }
      : undefined;
}
