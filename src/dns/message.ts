/** Questions and answers as plugins see them. Names are lower-case and without the closing dot; the root is ''. */
import type { Answer, RecordType } from 'dns-packet';

export interface Query {
  name: string;
  type: RecordType;
  /** Who asked: an address, or `local` for calls within the process. */
  client: string;
  protocol: 'udp' | 'tcp' | 'local';
  /** The DNSSEC OK bit: upstreams are asked for signatures too. */
  dnssecOk: boolean;
}

export interface Response {
  rcode: Rcode;
  /** Whether it comes from a zone of our own. */
  authoritative: boolean;
  answers: readonly Answer[];
  authorities: readonly Answer[];
  additionals: readonly Answer[];
  /** Comes from memory that is always current: caching it would only make it older. */
  live?: boolean;
}

/** RFC 1035, 4.1.1 */
export const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
export type Rcode = number;

const RCODE_NAMES = Object.fromEntries(Object.entries(RCODES).map(([name, code]) => [code, name]));
export const rcodeName = (rcode: Rcode): string => RCODE_NAMES[rcode] ?? `RCODE_${rcode}`;

export function respond(rcode: Rcode, parts: Partial<Response> = {}): Response {
  return { rcode, authoritative: false, answers: [], authorities: [], additionals: [], ...parts };
}

/** A name as it is compared: lower-case, no closing dot. */
export const canonicalName = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Whether `name` is `zone` or below it; everything is below the root, ''. */
export function isInZone(name: string, zone: string): boolean {
  return zone === '' || name === zone || name.endsWith(`.${zone}`);
}

/** The longest of the zones that the name is in. */
export function zoneOf(name: string, zones: readonly string[]): string | undefined {
  return zones.filter((zone) => isInZone(name, zone)).toSorted((a, b) => b.length - a.length)[0];
}

/** `10.0.96.10.in-addr.arpa` → `10.96.0.10`; undefined where the name is no whole address. */
export function addressOfReverse(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const parts = name.slice(0, -'.in-addr.arpa'.length).split('.');
    return parts.length === 4 ? parts.toReversed().join('.') : undefined;
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const nibbles = name.slice(0, -'.ip6.arpa'.length).split('.');
  if (nibbles.length !== 32) return undefined;
  return canonicalIp(nibbles.toReversed().join('').match(/.{4}/g)!.join(':'));
}

/** An address in the one form that is compared; IPv6 is written in many. */
export function canonicalIp(ip: string): string {
  if (!ip.includes(':')) return ip;
  try {
    return new URL(`http://[${ip}]`).hostname.slice(1, -1);
  } catch (error) {
    if (error instanceof TypeError) return ip;
    throw error;
  }
}
