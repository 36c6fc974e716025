/**
 * A lone member of etcd has nobody to wait for, yet it waits a random part of its election timeout before it makes itself the leader. Short
 * timeouts would shorten that and cost a wake-up of etcd every heartbeat for as long as it runs. Instead we tell it once, in the words in
 * which a leader that resigns tells its successor: raft's MsgTimeoutNow, on the socket where members talk to each other. If etcd does
 * not take it, its own timeout does the same a second later.
 */
import { request, type IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

export interface ElectionOptions {
  clientSocket: string;
  peerSocket: string;
  clock: Clock;
  log: Logger;
}

const AGAIN_MS = 3;
const ANSWER_MS = 40;
/** By then etcd has held its election by itself, or cannot. */
const GIVE_UP_MS = 5_000;

/** Resolves when etcd serves, or when it is of no use to go on asking. Never rejects. */
export async function electAtOnce(options: ElectionOptions, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const cancel = clock.timer(GIVE_UP_MS, () => done.abort());
  try {
    const serves = untilServing(options, either);
    const member = await again(options, either, () => membership(options.peerSocket, either));
    // Repeated: it is refused, without a word, until the log has been read.
    while (!either.aborted && !(await Promise.race([serves, clock.sleep(AGAIN_MS, either).then(() => false)])))
      await again(options, either, () => timeoutNow(options.peerSocket, member, either));
  } catch (error) {
    if (!either.aborted) log.debug('etcd is left to hold its election by itself', { error: errorMessage(error) });
  } finally {
    cancel();
    done.abort();
  }
}

interface Membership {
  cluster: string;
  member: bigint;
}

/** etcd accepts connections from clients early; it is healthy once there is a leader. */
async function untilServing(options: ElectionOptions, signal: AbortSignal): Promise<boolean> {
  try {
    await again(options, signal, async () => {
      const { status } = await call(options.clientSocket, { path: '/health', signal });
      if (status !== 200) throw new NotYet(`/health answers ${status}`);
    });
    return true;
  } catch (error) {
    if (!signal.aborted) options.log.debug('etcd does not tell whether it serves', { error: errorMessage(error) });
    return true;
  }
}

class NotYet extends Error {}

/** As long as nobody listens or the answer is `NotYet`. */
async function again<T>({ clock }: ElectionOptions, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof NotYet) && !NOBODY_LISTENS.has(errorCode(error) ?? '')) throw error;
    }
    await clock.sleep(AGAIN_MS, signal);
  }
}

const NOBODY_LISTENS = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE']);

async function membership(socket: string, signal: AbortSignal): Promise<Membership> {
  const { headers, text } = await call(socket, { path: '/members', signal });
  // 64 bits: more than a number of JavaScript's holds.
  const id = /"id":(\d+)/.exec(text)?.[1];
  const cluster = headers['x-etcd-cluster-id'];
  // Asked before it has read its log, etcd knows of no member yet.
  if (!id || typeof cluster !== 'string') throw new NotYet('etcd does not say which member it is');
  return { member: BigInt(id), cluster };
}

/** Field numbers and the type's value are those of raftpb.Message. */
async function timeoutNow(socket: string, { cluster, member }: Membership, signal: AbortSignal): Promise<void> {
  const id = varint(member);
  const [TYPE, TO, FROM] = [1 << 3, 2 << 3, 3 << 3];
  const MSG_TIMEOUT_NOW = 14;
  await call(socket, {
    path: '/raft',
    body: Buffer.from([TYPE, MSG_TIMEOUT_NOW, TO, ...id, FROM, ...id]),
    headers: {
      'content-type': 'application/protobuf',
      'x-etcd-cluster-id': cluster,
      'x-server-from': member.toString(16),
      'x-server-version': '3.5.0',
      'x-min-cluster-version': '3.0.0',
    },
    signal,
  });
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

interface CallOptions {
  path: string;
  body?: Buffer;
  headers?: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** An answer that does not come is asked for again: etcd lets requests hang that arrive while it reads its log. */
function call(socketPath: string, { path, body, headers, signal: either }: CallOptions): Promise<Answer> {
  const signal = AbortSignal.any([either, AbortSignal.timeout(ANSWER_MS)]);
  return new Promise((resolve, reject) => {
    const sent = request(
      { socketPath, path, method: body ? 'POST' : 'GET', agent: false, signal, ...(headers ? { headers } : {}) },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on('error', (error) => reject(signal.aborted && !either.aborted ? new NotYet(`half an answer from ${path}`) : error));
      },
    );
    sent.on('error', (error) => reject(signal.aborted && !either.aborted ? new NotYet(`no answer from ${path}`) : error));
    sent.end(body);
  });
}
