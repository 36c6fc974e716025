/** Ranges of IPv4 addresses (`10.96.0.0/12`) and what lies in them. */
import { ipv4Number, ipv4Text } from '../lib/ipv4.ts';

/** The first usable address of a range: the Service `kubernetes` has it. */
export function firstAddress(cidr: string): string {
  return addressAt(cidr, 1);
}

/** The address `offset` above the range's base. */
export function addressAt(cidr: string, offset: number): string {
  return ipv4Text(ipv4Number(cidr.slice(0, cidr.indexOf('/'))) + offset);
}

/** Whether two ranges have an address in common. */
export function overlaps(a: string, b: string): boolean {
  const [first, second] = [bounds(a), bounds(b)];
  return first.from <= second.to && second.from <= first.to;
}

function bounds(cidr: string): { from: number; to: number } {
  const [address, bits] = cidr.split('/') as [string, string];
  const size = 2 ** (32 - Number(bits));
  const from = Math.floor(ipv4Number(address) / size) * size;
  return { from, to: from + size - 1 };
}
