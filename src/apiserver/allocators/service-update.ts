import type { ServiceSpec } from '../../api/types.gen.ts';
import { needsClusterIp, needsHealthCheckPort, needsNodePorts } from './service-families.ts';

/**
 * An update that leaves out what was allocated keeps it (upstream's patchAllocatedValues); one that changes the type drops what the new
 * type has no use for, unless the client set it anew (dropTypeDependentFields).
 */
export function keepAllocated(spec: ServiceSpec, before: ServiceSpec): void {
  if (needsClusterIp(spec) && needsClusterIp(before)) {
    if (!spec.clusterIP) {
      spec.clusterIP = before.clusterIP!;
      spec.clusterIPs = before.clusterIPs!;
    } else if (spec.clusterIP !== before.clusterIP && sameList(spec.clusterIPs, before.clusterIPs)) {
      spec.clusterIPs = [spec.clusterIP];
    }
    spec.ipFamilyPolicy ??= before.ipFamilyPolicy!;
    if (!spec.ipFamilies?.length) spec.ipFamilies = before.ipFamilies!;
  } else if (needsClusterIp(before) && sameList(spec.clusterIPs ?? [], before.clusterIPs)) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) delete spec[field];
  }
  keepPorts(spec, before);
  if (isReachedFromOutside(before) && !isReachedFromOutside(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy)
    delete spec.externalTrafficPolicy;
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass;
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts;
  }
}

function isReachedFromOutside({ type, externalIPs }: ServiceSpec): boolean {
  return type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (externalIPs?.length ?? 0) > 0);
}

function keepPorts(spec: ServiceSpec, before: ServiceSpec): void {
  const old = new Map((before.ports ?? []).map((port) => [`${port.protocol}/${port.port}`, port]));
  const keeps = needsNodePorts(spec);
  for (const port of spec.ports ?? []) {
    const was = old.get(`${port.protocol}/${port.port}`)?.nodePort;
    if (keeps && needsNodePorts(before)) port.nodePort ||= was!;
    else if (!keeps && spec.type !== 'LoadBalancer' && port.nodePort === was) delete port.nodePort;
    if (!port.nodePort) delete port.nodePort;
  }
  if (needsHealthCheckPort(spec) && needsHealthCheckPort(before)) spec.healthCheckNodePort ||= before.healthCheckNodePort!;
  else if (!needsHealthCheckPort(spec) && spec.healthCheckNodePort === before.healthCheckNodePort) delete spec.healthCheckNodePort;
}

function sameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  return a?.join() === b?.join();
}
