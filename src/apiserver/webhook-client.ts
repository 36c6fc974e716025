/** The one way to webhooks, those of admission and of conversion: JSON over https, errors in the words of Go's client. */
import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';

/** A webhook's clientConfig: either a URL or a Service. */
export interface WebhookClientConfig {
  url?: string;
  service?: ServiceReference & { path?: string };
  /** PEM in base64; the system's own authorities where there is none. */
  caBundle?: string;
}

export interface ServiceReference {
  namespace: string;
  name: string;
  port?: number;
}

export interface WebhookCall {
  body: object;
  timeoutSeconds: number;
  /** Ends the waiting early. */
  signal?: AbortSignal;
}

export interface WebhookClientOptions {
  clock: Clock;
  /** Where a Service's webhook listens; throws Error when nobody does. */
  locate: (service: ServiceReference) => { host: string; port: number };
}

/** Connections are kept and used again; idle ones keep no process alive. */
export class WebhookClient {
  readonly #options: WebhookClientOptions;
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: 4, timeout: IDLE_MS });

  constructor(options: WebhookClientOptions) {
    this.#options = options;
  }

  /** The JSON value answered. Throws Error: `Post "https://…?timeout=10s": context deadline exceeded`, or what another status than 200 means. */
  async post(config: WebhookClientConfig, { body, timeoutSeconds, signal }: WebhookCall): Promise<unknown> {
    const target = targetOf(config, timeoutSeconds);
    const deadline = new AbortController();
    const cancel = this.#options.clock.timer(timeoutSeconds * 1000, () => deadline.abort());
    const bytes = Buffer.from(JSON.stringify(body));
    const ends = signal ? AbortSignal.any([deadline.signal, signal]) : deadline.signal;
    try {
      return checked(await this.#send(config, target, { bytes, signal: ends }));
    } catch (error) {
      if (error instanceof AnswerError) throw error;
      const why = deadline.signal.aborted ? 'context deadline exceeded' : signal?.aborted ? 'context canceled' : reasonOf(error, target);
      throw new Error(`Post ${JSON.stringify(target.url)}: ${why}`, { cause: error });
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(config: WebhookClientConfig, target: Target, sent: Sent): Promise<Answer> {
    const { host, port } = config.service ? this.#options.locate(config.service) : target;
    const options: RequestOptions = {
      host,
      port,
      path: target.path,
      method: 'POST',
      headers: {
        host: target.authority,
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': sent.bytes.length,
      },
      agent: this.#agent,
      signal: sent.signal,
      ...(isIP(target.host) ? {} : { servername: target.host }),
      ...(config.caBundle ? { ca: Buffer.from(config.caBundle, 'base64').toString() } : {}),
    };
    try {
      return await exchange(options, sent);
    } catch (error) {
      // The server closed a kept connection while it was being used again.
      if (!(error instanceof StaleConnection)) throw error;
      return await exchange({ ...options, agent: false }, sent);
    }
  }
}

/** Kept connections that nobody uses are closed after this, ms. */
const IDLE_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const HTTPS_PORT = 443;

interface Target {
  /** As errors name it. */
  url: string;
  /** Whose certificate is expected. */
  host: string;
  port: number;
  authority: string;
  path: string;
}

interface Sent {
  bytes: Buffer;
  signal: AbortSignal;
}

interface Answer {
  status: number;
  text: string;
}

class AnswerError extends Error {}
class StaleConnection extends Error {}

function targetOf({ service, url }: WebhookClientConfig, timeoutSeconds: number): Target {
  const query = `?timeout=${timeoutSeconds}s`;
  if (service) {
    const { name, namespace, path = '', port = HTTPS_PORT } = service;
    const host = `${name}.${namespace}.svc`;
    const full = `${path.startsWith('/') ? '' : '/'}${path}${query}`;
    return { url: `https://${host}:${port}${full}`, host, port, authority: `${host}:${port}`, path: full };
  }
  const { hostname, host: authority, port, pathname } = new URL(url!);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    url: `https://${authority}${pathname}${query}`,
    host,
    port: Number(port || HTTPS_PORT),
    authority,
    path: `${pathname}${query}`,
  };
}

function exchange(options: RequestOptions, { bytes }: Sent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      readAll(response).then((text) => resolve({ status: response.statusCode!, text }), reject);
    });
    call.once('error', (error: NodeJS.ErrnoException) =>
      reject(call.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE') ? new StaleConnection() : error),
    );
    call.end(bytes);
  });
}

async function readAll(stream: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function checked({ status, text }: Answer): unknown {
  if (status < 200 || status > 299) throw new AnswerError(refusalOf(status, text));
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new AnswerError(`couldn't get version/kind; json parse error: ${(error as Error).message}`, { cause: error });
  }
}

/** What client-go makes of a status (apierrors.NewGenericServerResponse). */
function refusalOf(status: number, text: string): string {
  switch (status) {
    case 400:
      return 'the server rejected our request for an unknown reason';
    case 401:
      return 'the server has asked for the client to provide credentials';
    case 403:
      return text.trim() || 'unknown';
    case 404:
      return 'the server could not find the requested resource';
    case 405:
      return 'the server does not allow this method on the requested resource';
    case 429:
      return 'the server has received too many requests and has asked us to try again later';
    case 503:
      return 'the server is currently unable to handle the request';
    case 504:
      return 'the server was unable to return a response in the time allotted, but may still be processing the request';
    default:
      return status >= 500
        ? `an error on the server (${JSON.stringify(text.trim() || 'unknown')}) has prevented the request from succeeding`
        : `the server responded with the status code ${status} but did not return more information`;
  }
}

/** Go's words for what goes wrong on the way. */
function reasonOf(error: unknown, { host }: Target): string {
  const { code = '', message, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address?.includes(':') ? `[${address}]` : address}:${port}: connect: connection refused`;
    case 'ECONNRESET':
      return 'EOF';
    case 'ENOTFOUND':
      return `dial tcp: lookup ${host}: no such host`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `tls: failed to verify certificate: x509: ${message}`;
    default:
      return message;
  }
}
