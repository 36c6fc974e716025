import https from 'node:https';
import { cpuSeconds, percentile } from './measure.ts';
import type { Connection } from './cluster.ts';

export interface Answer {
  status: number;
  bytes: number;
  text: string;
}

export interface ApiCaller {
  call(method: string, path: string, body?: unknown, options?: { type?: string; keep?: boolean; gzip?: boolean }): Promise<Answer>;
  /** Opens a watch; resolves with how to close it once the answer has begun. */
  watch(path: string, onData: (chunk: Buffer) => void): Promise<() => void>;
  close(): void;
}

/** HTTP/1.1 over TLS with keep-alive: what the reference figures were taken with. */
export function apiCaller({ server, ca, cert, key }: Connection, connections = 16): ApiCaller {
  const { hostname, port } = new URL(server);
  const tls = { ca, cert, key };
  const agent = new https.Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo', ...tls });
  const close: (() => void)[] = [() => agent.destroy()];
  return {
    call: (method, path, body, { type = 'application/json', keep = false, gzip = false } = {}) =>
      new Promise((resolve, reject) => {
        const payload = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        const headers = {
          accept: 'application/json',
          ...(gzip ? { 'accept-encoding': 'gzip' } : {}),
          ...(payload ? { 'content-type': type, 'content-length': payload.length } : {}),
        };
        const request = https.request({ hostname, port, method, path, headers, agent }, (response) => {
          let bytes = 0;
          const parts: Buffer[] = [];
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (keep) parts.push(chunk);
          });
          response.on('end', () => resolve({ status: response.statusCode!, bytes, text: Buffer.concat(parts).toString() }));
          response.on('error', reject);
        });
        request.on('error', reject);
        request.end(payload);
      }),
    watch: (path, onData) =>
      new Promise((resolve, reject) => {
        const request = https.request({ hostname, port, path, agent: false, ...tls }, (response) => {
          if (response.statusCode !== 200) return reject(new Error(`watch answered ${response.statusCode}`));
          response.on('data', onData);
          response.on('error', () => request.destroy());
          const end = (): void => void request.destroy();
          close.push(end);
          resolve(end);
        });
        request.on('error', reject);
        request.end();
      }),
    close: () => close.forEach((end) => end()),
  };
}

export interface Blast {
  perSecond: number;
  p50: number;
  p99: number;
  /** CPU milliseconds of the watched processes per request. */
  cpuMs: number;
  /** CPU milliseconds of this process, the client, per request. */
  clientMs: number;
}

/** `count` requests, so many in flight. Every answer must have one of the statuses. */
export async function blast(
  count: number,
  {
    inFlight,
    statuses,
    pids,
    make,
  }: { inFlight: number; statuses: readonly number[]; pids: readonly number[]; make: (index: number) => Promise<Answer> },
): Promise<Blast> {
  const latencies = new Float64Array(count);
  const cpuBefore = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const clientBefore = process.cpuUsage();
  const began = performance.now();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const started = performance.now();
      const { status } = await make(index);
      if (!statuses.includes(status)) throw new Error(`request ${index} was answered with ${status}`);
      latencies[index] = performance.now() - started;
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, worker));
  const seconds = (performance.now() - began) / 1000;
  const cpu = pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0) - cpuBefore;
  const client = process.cpuUsage(clientBefore);
  const clientMs = (client.user + client.system) / 1000 / count;
  latencies.sort();
  return {
    perSecond: count / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpuMs: (cpu * 1000) / count,
    clientMs,
  };
}
