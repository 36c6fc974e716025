/** The network as processes of one pod have it: its own address, localhost shared by its containers, names resolved as its resolv.conf says. */
import { connect, isIP, type Socket } from 'node:net';
import { errorCode } from '../../../lib/errors.ts';
import type { Address, Listener, Protocol, SimNetwork } from './network.ts';

export interface PodNetwork {
  /** The primary address. */
  readonly ip: string;
  listen(server: Listener, port: number, protocol?: Protocol): Promise<{ release(): void }>;
  /** A TCP connection to a name or address as written. Rejects with ConnectError. */
  connect(host: string, port: number, options: { signal: AbortSignal; timeoutMs?: number }): Promise<Socket>;
  /** Where to send for an address: localhost is the pod itself. */
  target(ip: string, port: number, protocol?: Protocol): Address;
  /** Addresses of a name by hosts file, search list and cluster DNS; empty when there is none such. */
  lookup(name: string, signal?: AbortSignal): Promise<LookupAnswer>;
  readonly dns: DnsView;
}

export interface DnsView {
  servers: readonly string[];
  searches: readonly string[];
  ndots: number;
}

export interface LookupAnswer {
  /** The name that answered, with the domain of the search list. */
  name: string;
  addresses: string[];
}

/** Addresses of a fully qualified name, as one of these name servers answers; empty when there is none such. Rejects when none answers. */
export type NameLookup = (name: string, options: { servers: readonly string[]; signal?: AbortSignal }) => Promise<readonly string[]>;

export class ConnectError extends Error {
  readonly reason: 'refused' | 'timeout' | 'unreachable' | 'unknown-host' | 'reset';

  constructor(reason: ConnectError['reason'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ConnectError';
    this.reason = reason;
  }
}

export interface PodNetworkOptions {
  network: SimNetwork;
  ip: string;
  dns: DnsView;
  lookup: NameLookup;
  /** What the pod's hosts file says, by name. */
  hosts(): Promise<ReadonlyMap<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const LOCAL = new Set(['127.0.0.1', '0.0.0.0', 'localhost']);

export function createPodNetwork({ network, ip, dns, lookup, hosts }: PodNetworkOptions): PodNetwork {
  const target = (address: string, port: number, protocol: Protocol = 'TCP'): Address =>
    network.resolve(LOCAL.has(address) ? ip : address, port, protocol);

  async function find(name: string, signal?: AbortSignal): Promise<LookupAnswer> {
    if (isIP(name)) return { name, addresses: [name] };
    if (name === 'localhost') return { name, addresses: ['127.0.0.1'] };
    const listed = (await hosts()).get(name);
    if (listed) return { name, addresses: [listed] };
    for (const candidate of candidates(name, dns)) {
      const addresses = await lookup(candidate, { servers: dns.servers, signal });
      if (addresses.length > 0) return { name: candidate, addresses: [...addresses] };
    }
    return { name, addresses: [] };
  }

  return {
    ip,
    dns,
    target,
    lookup: find,
    listen: (server, port, protocol = 'TCP') => network.listen(server, { host: ip, port, protocol }),
    async connect(host, port, { signal, timeoutMs = DEFAULT_TIMEOUT_MS }) {
      const address = await find(host, signal).then(
        ({ addresses }) => addresses[0],
        (error: unknown) => {
          signal.throwIfAborted();
          throw new ConnectError('unknown-host', `bad address '${host}'`, { cause: error });
        },
      );
      if (!address) throw new ConnectError('unknown-host', `bad address '${host}'`);
      return open(target(address, port), { from: ip, signal, timeoutMs });
    },
  };
}

/** The names to ask for, in the order of resolv.conf(5): with fewer dots than ndots the search list comes first. */
export function candidates(name: string, { searches, ndots }: DnsView): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const searched = searches.map((domain) => `${name}.${domain}`);
  return name.split('.').length - 1 >= ndots ? [name, ...searched] : [...searched, name];
}

/** From the pod's own address where the system has it, so that servers see who asks. */
async function open(to: Address, { from, signal, timeoutMs }: { from: string; signal: AbortSignal; timeoutMs: number }): Promise<Socket> {
  if (!to.host.startsWith('127.') || to.host === '127.0.0.1') return dial(to, { signal, timeoutMs });
  try {
    return await dial(to, { localAddress: from, signal, timeoutMs });
  } catch (error) {
    if (error instanceof ConnectError && error.reason === 'unreachable') return dial(to, { signal, timeoutMs });
    throw error;
  }
}

const REASONS: Readonly<Record<string, ConnectError['reason']>> = { ECONNREFUSED: 'refused', ECONNRESET: 'reset', ETIMEDOUT: 'timeout' };
const WORDS: Readonly<Record<ConnectError['reason'], string>> = {
  refused: 'Connection refused',
  timeout: 'Connection timed out',
  unreachable: 'Network is unreachable',
  'unknown-host': 'Name or service not known',
  reset: 'Connection reset by peer',
};

function dial(
  { host, port }: Address,
  { localAddress, signal, timeoutMs }: { localAddress?: string; signal: AbortSignal; timeoutMs: number },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, ...(localAddress ? { localAddress } : {}) });
    const fail = (reason: ConnectError['reason'], cause?: unknown): void => {
      cleanUp();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(new ConnectError(reason, WORDS[reason], { cause }));
    };
    const onAbort = (): void => fail('timeout', signal.reason);
    const onError = (error: Error): void => fail(REASONS[errorCode(error) ?? ''] ?? 'unreachable', error);
    const onTimeout = (): void => fail('timeout');
    const cleanUp = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('timeout', onTimeout);
      socket.setTimeout(0);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(timeoutMs, onTimeout);
    socket.once('error', onError);
    socket.once('connect', () => {
      cleanUp();
      // Whoever reads it learns of an end; nobody else needs to.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
  });
}
