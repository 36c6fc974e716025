import { isIPv6 } from 'node:net';
import type { FieldError } from '../../api/status.ts';
import type { ServiceSpec } from '../../api/types.gen.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export const HEADLESS = 'None';

export const isHeadless = ({ clusterIP }: ServiceSpec): boolean => clusterIP === HEADLESS;
export const needsClusterIp = ({ type }: ServiceSpec): boolean => type !== 'ExternalName';
export const needsNodePorts = ({ type, allocateLoadBalancerNodePorts }: ServiceSpec): boolean =>
  type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts !== false);
export const needsHealthCheckPort = ({ type, externalTrafficPolicy }: ServiceSpec): boolean =>
  type === 'LoadBalancer' && externalTrafficPolicy === 'Local';

/**
 * Fills in spec.ipFamilies and spec.ipFamilyPolicy from what the Service says and the cluster has (KEP-563), in place. `families` are the
 * cluster's, the primary first. Returns what is wrong.
 */
export function settleFamilies(spec: ServiceSpec, families: readonly IpFamily[]): FieldError[] {
  if (!needsClusterIp(spec)) return [];
  const given = (spec.ipFamilies ?? []) as IpFamily[];
  if (isHeadless(spec) && !hasSelector(spec)) return settleHeadless(spec, given, families);
  const errors = given
    .filter((family) => !families.includes(family))
    .map<FieldError>((family) => ({
      field: `spec.ipFamilies[${given.indexOf(family)}]`,
      type: 'FieldValueInvalid',
      message: `Invalid value: "${family}": not configured on this cluster`,
    }));
  if (spec.ipFamilyPolicy === 'RequireDualStack' && families.length < 2) {
    errors.push({
      field: 'spec.ipFamilyPolicy',
      type: 'FieldValueInvalid',
      message: 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
    });
  }
  if (errors.length > 0) return errors;
  spec.ipFamilyPolicy ??= given.length > 1 || (spec.clusterIPs?.length ?? 0) > 1 ? 'RequireDualStack' : 'SingleStack';
  const wanted = spec.ipFamilyPolicy === 'SingleStack' ? 1 : families.length;
  spec.ipFamilies = completed(given.length > 0 ? given : familiesOf(spec), families, wanted);
  return [];
}

/** Nothing is allocated for them and nothing known of their endpoints, so that they may claim both families anywhere. */
function settleHeadless(spec: ServiceSpec, given: IpFamily[], families: readonly IpFamily[]): FieldError[] {
  spec.ipFamilyPolicy ??= given.length === 1 ? 'SingleStack' : 'RequireDualStack';
  const both: IpFamily[] = families[0] === 'IPv6' ? ['IPv6', 'IPv4'] : ['IPv4', 'IPv6'];
  spec.ipFamilies = completed(given, both, spec.ipFamilyPolicy === 'SingleStack' ? 1 : 2);
  return [];
}

function familiesOf({ clusterIPs = [] }: ServiceSpec): IpFamily[] {
  return clusterIPs.filter((address) => address !== HEADLESS && address !== '').map(familyOf);
}

export function familyOf(address: string): IpFamily {
  return isIPv6(address) ? 'IPv6' : 'IPv4';
}

function completed(given: readonly IpFamily[], available: readonly IpFamily[], wanted: number): IpFamily[] {
  const found = [...given];
  for (const family of available) if (found.length < wanted && !found.includes(family)) found.push(family);
  return found;
}

function hasSelector({ selector }: ServiceSpec): boolean {
  return selector !== undefined && Object.keys(selector).length > 0;
}
