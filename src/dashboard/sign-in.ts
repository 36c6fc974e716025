/**
 * One-time codes: `rockpool dashboard` leaves a token here and opens the page with the code for it. A token in the opened address would stand in the
 * browser's argument list, where everybody on the machine can read it, and in its history; a code is worth nothing once the page has it.
 *
 *     POST /sign-in          Authorization: Bearer TOKEN     201 {"code": "…"}
 *     POST /sign-in/redeem   the code                        200 {"token": "…"}, once; 410 afterwards
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { secret } from '../lib/random.ts';
import { API_HEADERS } from './headers.ts';

export interface SignIn {
  /** Answers requests to /sign-in and below. */
  answer(request: IncomingMessage, response: ServerResponse): void;
}

/** Time to get from the terminal to the browser, by hand if need be. */
const VALID_MS = 5 * 60_000;
const CODE_BYTES = 32;
/** Each is for one person who types a command; more is somebody filling the memory. */
const MAX_CODES = 100;
const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_BODY_BYTES = 256;

interface Deposit {
  token: string;
  until: number;
}

/** Holds each token until its code comes, five minutes at most; in memory only. */
export function createSignIn({ clock, log }: { clock: Clock; log: Logger }): SignIn {
  const deposits = new Map<string, Deposit>();

  const deposit = (token: string): string | undefined => {
    const now = clock.monotonic();
    for (const [code, { until }] of deposits) if (until < now) deposits.delete(code);
    if (deposits.size >= MAX_CODES) return undefined;
    const code = secret(CODE_BYTES);
    deposits.set(code, { token, until: now + VALID_MS });
    return code;
  };
  const redeem = (code: string): string | undefined => {
    const found = deposits.get(code);
    deposits.delete(code);
    return found && found.until >= clock.monotonic() ? found.token : undefined;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST') return reply(response, 405);
    if (request.url === '/sign-in') {
      const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
      if (!token || token.length > MAX_TOKEN_BYTES) return reply(response, 401);
      const code = deposit(token);
      return code ? reply(response, 201, { code }) : reply(response, 429);
    }
    if (request.url !== '/sign-in/redeem') return reply(response, 404);
    const token = redeem(await readBody(request));
    return token ? reply(response, 200, { token }) : reply(response, 410);
  };

  return {
    answer: (request, response) => {
      answer(request, response).catch((error: unknown) => {
        log.debug('a sign-in was cut off', { error: errorMessage(error) });
        response.destroy();
      });
    },
  };
}

function reply(response: ServerResponse, status: number, body: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { ...API_HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Throws when it is longer than any code. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new Error('the body is no code');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
