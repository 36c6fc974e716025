/** The HTTP request of probes and of lifecycle hooks. */
import http from 'node:http';
import https from 'node:https';
import type { Container, HTTPGetAction } from '../../api/types.gen.ts';
import { errorCode } from '../../lib/errors.ts';

export interface HttpRequest {
  headers?: readonly { name: string; value: string }[];
  timeoutMs: number;
  agent: string;
  /** Where the connection goes, when it is not where the URL says. */
  connectTo?: (host: string, port: number) => { host: string; port: number };
}

export interface HttpAnswer {
  statusCode: number;
  body: string;
}

const MAX_BODY_BYTES = 10 * 1024;

/** The number of a port that may be given by its name in the container. Throws RangeError when there is none such. */
export function portNumber(container: Container, port: number | string): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((one) => one.name === port)?.containerPort ?? Number.parseInt(port, 10);
  if (!Number.isInteger(named)) throw new RangeError(`unable to find port by name: ${port}`);
  return named;
}

/** The URL of an httpGet action; the host is the pod unless it says otherwise. */
export function actionUrl({ scheme = 'HTTP', host, path = '/' }: HTTPGetAction, podIp: string, port: number): string {
  const name = host || podIp;
  const address = name.includes(':') ? `[${name}]` : name;
  return `${scheme.toLowerCase()}://${address}:${port}${path.startsWith('/') ? path : `/${path}`}`;
}

/** Certificates are not checked, as upstream. Redirects are not followed to other hosts, since they are not followed at all. Throws Error in Go's words. */
export function httpGet(url: string, { headers = [], timeoutMs, agent, connectTo }: HttpRequest): Promise<HttpAnswer> {
  const target = new URL(url);
  const sent: Record<string, string> = { 'user-agent': agent, accept: '*/*', connection: 'close' };
  for (const { name, value } of headers) sent[name.toLowerCase()] = value;
  const place = connectTo?.(target.hostname, Number(target.port || (target.protocol === 'https:' ? 443 : 80)));
  // Node names the host that it connects to.
  if (place) sent['host'] ??= target.host;
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (error: unknown): void => reject(new Error(`Get "${url}": ${connectText(target, error, signal)}`, { cause: error }));
    const options = {
      headers: sent,
      agent: false as const,
      signal,
      rejectUnauthorized: false,
      servername: sent['host']?.split(':')[0],
      ...(place ? { hostname: place.host, port: place.port } : {}),
    };
    const request = (target.protocol === 'https:' ? https : http).get(target, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        if (size < MAX_BODY_BYTES) chunks.push(chunk);
        size += chunk.length;
      });
      response.on('error', fail);
      response.on('end', () =>
        resolve({ statusCode: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8', 0, MAX_BODY_BYTES) }),
      );
    });
    request.on('error', fail);
  });
}

/** Why a connection failed, as Go's net package says it; users search for these words. */
export function connectText(
  { hostname, port, protocol }: { hostname: string; port: string; protocol?: string },
  error: unknown,
  signal: AbortSignal,
): string {
  if (signal.aborted) return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)';
  const address = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
  const why: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ECONNRESET: 'read: connection reset by peer',
  };
  const code = errorCode(error) ?? '';
  if (why[code]) return `dial tcp ${address}: ${why[code]}`;
  return error instanceof Error ? error.message : String(error);
}
