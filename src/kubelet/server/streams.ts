/** exec, attach and port-forward: the upgraded connection is handed on to the runtime's streaming server byte by byte, or served here. */
import net from 'node:net';
import type { IncomingMessage } from 'node:http';
import { readySandbox } from '../pods/pod-runtime.ts';
import type { StreamOptions, StreamTarget } from '../runtime/runtime.ts';
import type { StreamKind } from '../streaming/session.ts';
import { requirePod, requireRunning } from './find-container.ts';
import { HttpError } from './http-error.ts';
import type { UpgradeRequest, UpgradeRoute } from './route.ts';

const CONNECT_MS = 10_000;

export const exec: UpgradeRoute = async (request, context) => {
  const container = await requireRunning(request.parts, context);
  const command = request.query.getAll('command');
  const options = streamOptions(request.query);
  await handOn(request, await context.runtime.exec(container.id, { ...options, command }), { kind: 'exec', options });
};

export const attach: UpgradeRoute = async (request, context) => {
  const container = await requireRunning(request.parts, context);
  const options = streamOptions(request.query);
  await handOn(request, await context.runtime.attach(container.id, options), { kind: 'attach', options });
};

export const portForward: UpgradeRoute = async (request, context) => {
  const pod = requirePod(request.parts, context);
  const sandbox = readySandbox(await context.cache.pod(pod.metadata.uid!));
  if (!sandbox) throw new HttpError(500, `unable to do port forwarding: pod is not running: ${pod.metadata.name}`);
  const ports = request.query
    .getAll('port')
    .concat(request.query.getAll('ports'))
    .flatMap((text) => text.split(','))
    .map(Number);
  const target = await context.runtime.portForward(sandbox.id, ports);
  if (target.kind === 'redirect' && ports.length > 0) {
    const url = new URL(target.url);
    for (const port of ports) url.searchParams.append('port', String(port));
    return proxy(request, url);
  }
  await handOn(request, target, { kind: 'portForward', ports });
};

/** kubelet's own names of the query (`input`, `output`, `error`), and the API's. */
function streamOptions(query: URLSearchParams): StreamOptions {
  const on = (...names: string[]): boolean => names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
  const tty = on('tty');
  const options = { stdin: on('input', 'stdin'), stdout: on('output', 'stdout'), stderr: on('error', 'stderr') && !tty, tty };
  if (!options.stdin && !options.stdout && !options.stderr)
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return options;
}

async function handOn(request: UpgradeRequest, target: StreamTarget, kind: StreamKind): Promise<void> {
  if (target.kind === 'redirect') return proxy(request, new URL(target.url));
  // loaded only where the runtime has no streaming server of its own
  const { serveUpgrade } = await import('../streaming/serve.ts');
  await serveUpgrade(request, kind, target.serve);
}

/** The client's own request with another path, then bytes both ways until one side ends. */
function proxy({ request, socket, head }: UpgradeRequest, url: URL): void {
  const upstream = net.connect({ host: url.hostname, port: Number(url.port) });
  upstream.setNoDelay(true);
  upstream.setTimeout(CONNECT_MS, () => upstream.destroy(new Error('the runtime did not answer')));
  upstream.once('connect', () => {
    upstream.setTimeout(0);
    upstream.write(requestHead(request, url));
    if (head.length > 0) upstream.write(head);
    upstream.pipe(socket);
    socket.pipe(upstream);
  });
  upstream.once('error', (error) => {
    if (upstream.bytesRead > 0) socket.destroy();
    else
      socket.end(
        `HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(error.message)}\r\n\r\n${error.message}`,
      );
  });
  upstream.once('close', () => socket.end());
  socket.once('close', () => upstream.destroy());
}

function requestHead(request: IncomingMessage, url: URL): string {
  const lines = [`${request.method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (request.rawHeaders[i]!.toLowerCase() !== 'host') lines.push(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
