/** Defaults of Services and what stands around them. Cluster IPs, IP families and node ports are the API server's allocators'. */
import type { Endpoints, EndpointSlice, IngressClass, NetworkPolicy, Service, ServicePort, ServiceSpec } from '../types.gen.ts';

const AFFINITY_TIMEOUT_SECONDS = 3 * 60 * 60;

export function defaultService({ spec }: Service): void {
  if (!spec) return;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= AFFINITY_TIMEOUT_SECONDS;
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) defaultServicePort(port);
  defaultTrafficPolicies(spec);
}

function defaultServicePort(port: ServicePort): void {
  port.protocol ||= 'TCP';
  if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
}

function defaultTrafficPolicies(spec: ServiceSpec): void {
  const balanced = spec.type === 'LoadBalancer';
  const reachable = balanced || spec.type === 'NodePort' || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
  if (reachable) spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
  if (balanced) spec.allocateLoadBalancerNodePorts ??= true;
}

export function defaultEndpoints(endpoints: Endpoints): void {
  for (const subset of endpoints.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
}

export function defaultEndpointSlice(slice: EndpointSlice): void {
  for (const port of slice.ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}

export function defaultIngressClass({ spec }: IngressClass): void {
  if (spec?.parameters) spec.parameters.scope ??= 'Cluster';
}

export function defaultNetworkPolicy({ spec }: NetworkPolicy): void {
  if (!spec) return;
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
}
