import { isIP, isIPv6 } from 'node:net';

/** The first address of a service range: the Service `kubernetes`. */
export function firstServiceIp(cidr: string): string {
  return new ServiceRange(cidr).at(1n);
}

/** The addresses of one range, counted from its base. The base, and in IPv4 the last address, belong to nobody. */
export class ServiceRange {
  readonly family: 'IPv4' | 'IPv6';
  readonly cidr: string;
  readonly #base: bigint;
  readonly #size: bigint;

  constructor(cidr: string) {
    const [address = '', bits = ''] = cidr.split('/');
    this.cidr = cidr;
    this.family = isIPv6(address) ? 'IPv6' : 'IPv4';
    const width = this.family === 'IPv6' ? 128 : 32;
    const hostBits = BigInt(width - Number(bits));
    this.#base = (numberOf(address) >> hostBits) << hostBits;
    this.#size = 1n << hostBits;
  }

  /** How many addresses can be given away. */
  get size(): bigint {
    return this.#size - (this.family === 'IPv4' ? 2n : 1n);
  }

  at(offset: bigint): string {
    return this.family === 'IPv6' ? ipv6Text(this.#base + offset) : ipv4Text(this.#base + offset);
  }

  /** undefined when the address is not one that can be given away, or no address at all. */
  offsetOf(address: string): bigint | undefined {
    if (isIP(address) !== (this.family === 'IPv6' ? 6 : 4)) return undefined;
    const offset = numberOf(address) - this.#base;
    return offset >= 1n && offset <= this.size ? offset : undefined;
  }
}

function numberOf(address: string): bigint {
  if (!isIPv6(address)) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  return expand(address).reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n);
}

function expand(address: string): string[] {
  const [left = '', right] = address.split('::');
  const head = left === '' ? [] : left.split(':');
  if (right === undefined) return head;
  const tail = right === '' ? [] : right.split(':');
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => '0'), ...tail];
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

/** Go's form: RFC 5952, the first longest run of zeros compressed. */
function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.at < 0) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}
