import { notFound, statusError } from '../../api/status.ts';
import type { Node } from '../../api/types.gen.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import type { Target, TlsClient } from './target.ts';
import { tlsTarget } from './target.ts';

/**
 * How to reach the kubelet of a node without the network: for a kubelet in this process. undefined: connect to the node's address.
 * The connection speaks HTTP/1.1 to the kubelet's server as if TLS with our client certificate were done.
 */
export type KubeletDialer = (nodeName: string) => Target | undefined;

export interface KubeletOptions extends StoredObjects {
  dial?: KubeletDialer;
  /** The API server's own client certificate for kubelets, and the CA that signed theirs. */
  tls: TlsClient;
}

const DEFAULT_PORT = 10250;
/** kubeadm's --kubelet-preferred-address-types. */
const ADDRESS_TYPES = ['InternalIP', 'ExternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS'];

/** Finds the kubelet of a node. Throws StatusError when there is no such node, or no address is known of it. */
export function kubeletLocator(options: KubeletOptions): (nodeName: string) => Target {
  const nodes = stored<Node>(options, '', 'v1', 'nodes');
  return (nodeName) => {
    const direct = options.dial?.(nodeName);
    if (direct) return direct;
    const node = nodes.get('', nodeName);
    if (!node) throw notFound('nodes', '', nodeName);
    return tlsTarget(nodeAddress(node), kubeletPort(node), { ...options.tls, acceptedName: `system:node:${nodeName}` });
  };
}

export function kubeletPort({ status }: Node): number {
  return status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT;
}

export function nodeAddress({ metadata, status }: Node): string {
  for (const type of ADDRESS_TYPES) {
    const found = status?.addresses?.find((address) => address.type === type);
    if (found) return found.address;
  }
  throw statusError(
    'InternalError',
    `Internal error occurred: no preferred addresses found for node ${metadata.name}; known addresses: []`,
  );
}
