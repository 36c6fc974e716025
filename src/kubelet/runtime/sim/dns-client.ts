/** A pod's resolver asks the name server of its resolv.conf, as in any container: over UDP, wherever that server really listens. */
import { createSocket } from 'node:dgram';
import { randomInt } from 'node:crypto';
import type { Clock } from '../../../lib/clock.ts';
import type { SimNetwork } from './network.ts';
import type { NameLookup } from './pod-network.ts';

/** resolv.conf(5): five seconds a server, two rounds. */
const TIMEOUT_MS = 5000;
const ROUNDS = 2;
const MAX_ID = 65_536;

/** No server answered. */
export class LookupFailed extends Error {
  override name = 'LookupFailed';
}

export function createNameLookup({ network, clock }: { network: SimNetwork; clock: Clock }): NameLookup {
  return async (name, { servers, signal }) => {
    let failure: unknown = new LookupFailed('no servers could be reached');
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of servers) {
        try {
          return await ask(name, network.resolve(server, 53, 'UDP'), { clock, signal });
        } catch (error) {
          signal?.throwIfAborted();
          failure = error;
        }
      }
    }
    throw failure;
  };
}

async function ask(
  name: string,
  { host, port }: { host: string; port: number },
  { clock, signal }: { clock: Clock; signal?: AbortSignal },
): Promise<string[]> {
  const { decode, encode, RECURSION_DESIRED } = (await import('dns-packet')).default;
  const id = randomInt(MAX_ID);
  const query = encode({ type: 'query', id, flags: RECURSION_DESIRED, questions: [{ type: 'A', name }] });
  const socket = createSocket('udp4');
  const over = new AbortController();
  try {
    const answer = new Promise<Buffer>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data) => {
        if (data.length >= 2 && data.readUInt16BE(0) === id) resolve(data);
      });
      // Connected, so that a port where nobody listens is told at once.
      socket.connect(port, host, () => socket.send(query));
      const limit = clock.sleep(TIMEOUT_MS, signal ? AbortSignal.any([signal, over.signal]) : over.signal);
      limit.then(() => reject(new LookupFailed('connection timed out; no servers could be reached')), reject);
    });
    const packet = decode(await answer);
    const rcode = (packet as { rcode?: string }).rcode ?? 'NOERROR';
    if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new LookupFailed(`server can't find ${name}: ${rcode}`);
    return (packet.answers ?? []).flatMap((record) => (record.type === 'A' ? [record.data] : []));
  } finally {
    over.abort();
    socket.close();
  }
}
