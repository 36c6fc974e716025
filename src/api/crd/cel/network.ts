/** URLs, IP addresses and CIDRs in CEL. */
import { BlockList } from 'node:net';
import type { Environment } from '@marcbachmann/cel-js';
import { cidrProblems, isIPv4, isIPv6 } from '../../validation/names.ts';

export function registerNetwork(env: Environment): void {
  registerUrls(env);
  registerAddresses(env);
  registerCidrs(env);
}

class Url {
  readonly url: URL;
  /** As written: the parser adds a slash where there is no path. */
  readonly path: string;

  /** Absolute, or a path (Go's url.ParseRequestURI). Throws TypeError. */
  constructor(text: string) {
    const isPath = text.startsWith('/');
    this.url = isPath ? new URL(text, 'none://') : new URL(text);
    this.path = /^[a-z][-a-z0-9+.]*:\/\/[^/?#]*(?=[?#]|$)/i.test(text) ? '' : this.url.pathname;
  }

  get scheme(): string {
    return this.url.protocol === 'none:' ? '' : this.url.protocol.slice(0, -1);
  }
}

function registerUrls(env: Environment): void {
  env.registerType('kubernetes.URL', { ctor: Url, fields: {} });
  const method = (signature: string, handler: (url: Url) => unknown): void =>
    void env.registerFunction(`kubernetes.URL.${signature}`, handler);
  env.registerFunction('url(string): kubernetes.URL', (text: string) => new Url(text));
  env.registerFunction('isURL(string): bool', (text: string) => text.startsWith('/') || URL.canParse(text));
  env.registerOperator('kubernetes.URL == kubernetes.URL', (a: Url, b: Url) => a.url.href === b.url.href);
  method('getScheme(): string', ({ scheme }) => scheme);
  method('getHost(): string', ({ url }) => url.host);
  method('getHostname(): string', ({ url }) => url.hostname.replace(/^\[(.*)\]$/, '$1'));
  method('getPort(): string', ({ url }) => url.port);
  method('getEscapedPath(): string', ({ path }) => path);
  method(
    'getQuery(): map<string, list<string>>',
    ({ url }) => new Map([...new Set(url.searchParams.keys())].map((key) => [key, url.searchParams.getAll(key)])),
  );
}

class Address {
  readonly text: string;

  constructor(text: string) {
    if (!isAddress(text)) throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
    this.text = canonical(text);
  }

  get family(): 'ipv4' | 'ipv6' {
    return isIPv4(this.text) ? 'ipv4' : 'ipv6';
  }
}

/** Addresses of IPv4 within IPv6 are not taken, as upstream. */
function isAddress(text: string): boolean {
  return isIPv4(text) || (isIPv6(text) && !text.includes('.'));
}

/** RFC 5952, which URLs use. */
function canonical(text: string): string {
  return isIPv4(text) ? text : new URL(`http://[${text}]/`).hostname.slice(1, -1);
}

/** Which addresses the questions of the ip library mean. */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  isUnspecified: ['0.0.0.0/32', '::/128'],
  isLoopback: ['127.0.0.0/8', '::1/128'],
  isLinkLocalMulticast: ['224.0.0.0/24', 'ff02::/16'],
  isLinkLocalUnicast: ['169.254.0.0/16', 'fe80::/10'],
};

function registerAddresses(env: Environment): void {
  env.registerType('net.IP', { ctor: Address, fields: {} });
  env.registerFunction('ip(string): net.IP', (text: string) => new Address(text));
  env.registerFunction('isIP(string): bool', isAddress);
  env.registerOperator('net.IP == net.IP', (a: Address, b: Address) => a.text === b.text);
  env.registerFunction('string(net.IP): string', ({ text }: Address) => text);
  env.registerFunction('net.IP.family(): int', ({ family }: Address) => (family === 'ipv4' ? 4n : 6n));
  for (const [name, ranges] of Object.entries(RANGES))
    env.registerFunction(`net.IP.${name}(): bool`, (address: Address) => isWithin(address, ranges));
  const notGlobal = [...Object.values(RANGES).flat(), '255.255.255.255/32', '224.0.0.0/4', 'ff00::/8'];
  env.registerFunction('net.IP.isGlobalUnicast(): bool', (address: Address) => !isWithin(address, notGlobal));
}

function isWithin({ text, family }: Address, ranges: readonly string[]): boolean {
  const block = new BlockList();
  for (const range of ranges) {
    const [base, bits] = range.split('/') as [string, string];
    block.addSubnet(base, Number(bits), isIPv4(base) ? 'ipv4' : 'ipv6');
  }
  return block.check(text, family);
}

class Cidr {
  readonly address: Address;
  readonly bits: number;

  constructor(text: string) {
    if (cidrProblems(text).length > 0) throw new Error(`CIDR ${JSON.stringify(text)} parse error during conversion from string`);
    const [base, bits] = text.split('/') as [string, string];
    this.address = new Address(base);
    this.bits = Number(bits);
  }

  get text(): string {
    return `${this.address.text}/${this.bits}`;
  }
}

function registerCidrs(env: Environment): void {
  env.registerType('net.CIDR', { ctor: Cidr, fields: {} });
  const contains = ({ text }: Cidr, address: Address): boolean => isWithin(address, [text]);
  const containsCidr = (outer: Cidr, inner: Cidr): boolean => inner.bits >= outer.bits && contains(outer, inner.address);
  env.registerFunction('cidr(string): net.CIDR', (text: string) => new Cidr(text));
  env.registerFunction('isCIDR(string): bool', (text: string) => cidrProblems(text).length === 0);
  env.registerOperator('net.CIDR == net.CIDR', (a: Cidr, b: Cidr) => a.text === b.text);
  env.registerFunction('string(net.CIDR): string', ({ text }: Cidr) => text);
  env.registerFunction('net.CIDR.ip(): net.IP', ({ address }: Cidr) => address);
  env.registerFunction('net.CIDR.prefixLength(): int', ({ bits }: Cidr) => BigInt(bits));
  env.registerFunction('net.CIDR.containsIP(net.IP): bool', contains);
  env.registerFunction('net.CIDR.containsIP(string): bool', (cidr: Cidr, text: string) => contains(cidr, new Address(text)));
  env.registerFunction('net.CIDR.containsCIDR(net.CIDR): bool', containsCidr);
  env.registerFunction('net.CIDR.containsCIDR(string): bool', (cidr: Cidr, text: string) => containsCidr(cidr, new Cidr(text)));
}
