/** The objects besides RBAC that a cluster begins with. */
import type { ConfigMap, Endpoints, EndpointSlice, Namespace, PriorityClass, Service, ServiceCIDR } from '../../api/types.gen.ts';

export const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

export function systemNamespace(name: string): Namespace {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  };
}

export function systemPriorityClasses(): PriorityClass[] {
  const priorityClass = (name: string, value: number, description: string): PriorityClass => ({
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    metadata: { name },
    value,
    description,
    preemptionPolicy: 'PreemptLowerPriority',
  });
  return [
    priorityClass('system-node-critical', 2_000_001_000, 'Used for system critical pods that must not be moved from their current node.'),
    priorityClass(
      'system-cluster-critical',
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ),
  ];
}

export interface MasterAddress {
  /** First address of the service range: the Service `kubernetes`. */
  serviceIp: string;
  /** Where pods and nodes reach this server. */
  advertiseAddress: string;
  port: number;
}

const isIpv6 = (address: string): boolean => address.includes(':');

export function kubernetesService({ serviceIp, port }: MasterAddress): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: serviceIp,
      clusterIPs: [serviceIp],
      internalTrafficPolicy: 'Cluster',
      ipFamilies: [isIpv6(serviceIp) ? 'IPv6' : 'IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
      sessionAffinity: 'None',
      type: 'ClusterIP',
    },
    status: { loadBalancer: {} },
  };
}

export function kubernetesEndpoints({ advertiseAddress, port }: MasterAddress): Endpoints {
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: advertiseAddress }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
}

export function kubernetesEndpointSlice({ advertiseAddress, port }: MasterAddress): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: isIpv6(advertiseAddress) ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [advertiseAddress], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}

export function defaultServiceCidr(cidrs: string[]): ServiceCIDR {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'ServiceCIDR',
    metadata: { name: 'kubernetes', finalizers: ['networking.k8s.io/service-cidr-finalizer'] },
    spec: { cidrs },
  };
}

/** What extension API servers read to trust the front proxy and our clients. */
export function extensionAuthentication(clientCa: string, frontProxyCa: string, frontProxyNames: readonly string[]): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
    data: {
      'client-ca-file': clientCa,
      'requestheader-allowed-names': JSON.stringify(frontProxyNames),
      'requestheader-client-ca-file': frontProxyCa,
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    },
  };
}

/** What a node that joins reads first: whom to trust, and where the API is. The bootstrap signer puts its signatures beside it. */
export function clusterInfo(clientCa: string, { advertiseAddress, port }: MasterAddress): ConfigMap {
  const host = isIpv6(advertiseAddress) ? `[${advertiseAddress}]` : advertiseAddress;
  const kubeconfig = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${Buffer.from(clientCa).toString('base64')}
    server: https://${host}:${port}
  name: ""
contexts: null
current-context: ""
kind: Config
users: null
`;
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cluster-info', namespace: 'kube-public' }, data: { kubeconfig } };
}

/** Since when the use of tokens kept in Secrets is noted (`2026-01-31`); the first start's day stays. */
export function legacyTokenTracking(now: number): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
    data: { since: new Date(now).toISOString().slice(0, 10) },
  };
}
