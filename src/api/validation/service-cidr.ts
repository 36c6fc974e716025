/** ServiceCIDRs and IPAddresses: where cluster IPs come from, and who has which. */
import { semanticEqual } from '../patch/json.ts';
import type { IPAddress, ServiceCIDR } from '../types.gen.ts';
import { cidrProblems, dns1123LabelProblems, dns1123SubdomainProblems, isIPv6, pathSegmentProblems } from './names.ts';
import { IMMUTABLE, type Problems } from './problems.ts';

const CIDRS = 'spec.cidrs';

export function checkServiceCidr(problems: Problems, { spec }: ServiceCIDR): void {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) return problems.required(CIDRS, 'at least one CIDR required');
  if (cidrs.length > 2) problems.invalid(CIDRS, cidrs, 'may only hold up to 2 values');
  for (const [index, cidr] of cidrs.entries()) {
    const found = cidrProblems(cidr);
    if (found.length > 0) problems.invalidEach(`${CIDRS}[${index}]`, cidr, found);
    else if (!isNetwork(cidr)) problems.invalid(`${CIDRS}[${index}]`, cidr, "wrong CIDR format, IP doesn't match network IP address");
  }
  if (cidrs.length === 2 && isIPv6(cidrs[0]!.split('/')[0]!) === isIPv6(cidrs[1]!.split('/')[0]!))
    problems.invalid(CIDRS, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/96');
}

/** A range of the second family may come in addition; otherwise ranges stay, since Services have addresses of them. */
export function checkServiceCidrUpdate(problems: Problems, { spec }: ServiceCIDR, old: ServiceCIDR): void {
  const [cidrs, before] = [spec?.cidrs ?? [], old.spec?.cidrs ?? []];
  const grew = before.length === 1 && cidrs.length === 2;
  if (!grew && cidrs.length !== before.length) return problems.invalid(CIDRS, cidrs, IMMUTABLE);
  for (const [index, cidr] of before.entries()) problems.immutable(`${CIDRS}[${index}]`, cidrs[index] === cidr, cidrs[index]);
}

export function checkIpAddress(problems: Problems, { spec }: IPAddress): void {
  const parent = spec?.parentRef;
  if (!parent) return problems.required('spec.parentRef');
  if (parent.group) problems.invalidEach('spec.parentRef.group', parent.group, dns1123SubdomainProblems(parent.group));
  if (!parent.resource) problems.required('spec.parentRef.resource');
  else problems.invalidEach('spec.parentRef.resource', parent.resource, pathSegmentProblems(parent.resource));
  if (!parent.name) problems.required('spec.parentRef.name');
  else problems.invalidEach('spec.parentRef.name', parent.name, pathSegmentProblems(parent.name));
  if (parent.namespace) problems.invalidEach('spec.parentRef.namespace', parent.namespace, dns1123LabelProblems(parent.namespace));
}

export function checkIpAddressUpdate(problems: Problems, { spec }: IPAddress, old: IPAddress): void {
  problems.immutable('spec.parentRef', semanticEqual(spec?.parentRef, old.spec?.parentRef), spec?.parentRef);
}

/** Whether no bit is set behind the prefix. */
function isNetwork(cidr: string): boolean {
  const [address = '', bits = ''] = cidr.split('/');
  const parts = isIPv6(address) ? groupsOf(address) : address.split('.').map(Number);
  const width = isIPv6(address) ? 16n : 8n;
  const number = parts.reduce((sum, part) => (sum << width) | BigInt(part), 0n);
  const hostBits = width * BigInt(parts.length) - BigInt(bits);
  return (number >> hostBits) << hostBits === number;
}

/** The eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('::');
  const parse = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [front, back] = [parse(head), parse(tail ?? '')];
  return tail === undefined ? front : [...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back];
}
