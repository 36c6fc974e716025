/** Servers that tell what they were asked: http-echo, echo-server, echoserver, whoami, agnhost, hello-app. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ImageModel, type Program, server } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { bodyOf, clientOf, type Handler, logTime, sendText, serveHttp } from '../programs/web-server.ts';
import { ALPINE_RELEASE, BUSYBOX_PROGRAMS, CURL, DNS_PROGRAMS, programTable, systemFiles } from './base.ts';

/** A server that answers every request alike on one port. */
function echoing(portOf: (process: SimProcess) => number, answer: (process: SimProcess) => Handler): Program {
  return server(async (process) => {
    const port = portOf(process);
    await serveHttp(process, port, answer(process));
    process.ready();
    await process.stdout.write(`Listening on port ${port} (modelled by rockpool)\n`);
    return process.serve(['TERM', 'INT']);
  });
}

/** `-text=hello`, `-text hello`, `--text=…`. */
function option(argv: readonly string[], name: string): string | undefined {
  for (const [at, word] of argv.entries()) {
    const match = /^--?([\w-]+)(?:=([^]*))?$/.exec(word);
    if (match?.[1] === name) return match[2] ?? argv[at + 1];
  }
  return undefined;
}

const httpEcho = echoing(
  ({ argv }) => Number((option(argv, 'listen') ?? ':5678').split(':').at(-1)),
  (process) => async (request, response) => {
    const text = `${option(process.argv, 'text') ?? process.env.get('ECHO_TEXT') ?? 'hello-world'}\n`;
    sendText(response, text);
    await process.stdout.write(
      `${logTime(process.world.clock.now())} ${request.headers.host ?? ''} ${clientOf(request)} "${request.method} ${request.url} HTTP/1.1" 200 ${text.length} "${request.headers['user-agent'] ?? ''}"\n`,
    );
  },
);

const echoServer = echoing(
  ({ env }) => Number(env.get('PORT') ?? 80),
  ({ world, env }) =>
    async (request, response) => {
      const body = await bodyOf(request);
      const url = new URL(request.url ?? '/', 'http://localhost');
      const told = {
        host: { hostname: (request.headers.host ?? '').replace(/:\d+$/, ''), ip: clientOf(request), ips: [] },
        http: { method: request.method, baseUrl: '', originalUrl: request.url, protocol: 'http' },
        request: { params: {}, query: Object.fromEntries(url.searchParams), cookies: {}, body, headers: request.headers },
        environment: { HOSTNAME: world.hostname, ...Object.fromEntries(env) },
      };
      sendText(response, JSON.stringify(told), { type: 'application/json; charset=utf-8' });
    },
);

const echoserver = echoing(
  () => 8080,
  ({ world }) =>
    async (request, response) => {
      const headers = Object.entries(request.headers)
        .toSorted()
        .map(([name, value]) => `\t${name}=${String(value)}\n`);
      const body = await bodyOf(request);
      sendText(
        response,
        `\n\nHostname: ${world.hostname}\n\nPod Information:\n\t-no pod information available-\n\nServer values:\n\tserver_version=rockpool model\n\nRequest Information:\n\tclient_address=${clientOf(request)}\n\tmethod=${request.method}\n\treal path=${request.url}\n\trequest_version=${request.httpVersion}\n\trequest_scheme=http\n\trequest_uri=http://${request.headers.host ?? ''}${request.url}\n\nRequest Headers:\n${headers.join('')}\nRequest Body:\n${body === '' ? '\t-no body in request-' : body}\n\n`,
      );
    },
);

/** The one of minikube's tutorials. */
const kicbase = echoing(
  ({ env }) => Number(env.get('PORT') ?? 8080),
  ({ world }) =>
    (request, response) => {
      const headers = Object.entries(request.headers).map(
        ([name, value]) => `${name.replaceAll(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${String(value)}\n`,
      );
      sendText(
        response,
        `Request served by ${world.hostname}\n\nHTTP/${request.httpVersion} ${request.method} ${request.url}\n\n${headers.join('')}`,
      );
    },
);

const whoami = echoing(
  ({ argv }) => Number(option(argv, 'port') ?? 80),
  ({ world }) =>
    (request, response) => {
      const headers = Object.entries(request.headers).map(
        ([name, value]) => `${name.replaceAll(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())}: ${String(value)}\n`,
      );
      sendText(
        response,
        `Hostname: ${world.hostname}\nIP: 127.0.0.1\nIP: ${world.network.ip}\nRemoteAddr: ${clientOf(request)}:${request.socket.remotePort}\n${request.method} ${request.url} HTTP/${request.httpVersion}\n${headers.join('')}\n`,
      );
    },
);

const helloApp = echoing(
  ({ env }) => Number(env.get('PORT') ?? 8080),
  ({ world }) =>
    (_, response) =>
      sendText(response, `Hello, world!\nVersion: 1.0.0\nHostname: ${world.hostname}\n`),
);

/** agnhost's netexec, serve-hostname, pause and connect. */
const agnhost: Program = server(async (process) => {
  const action = process.argv[1] ?? 'pause';
  if (action === 'pause') {
    process.ready();
    return process.serve(['TERM', 'INT']);
  }
  if (action === 'connect') {
    process.ready();
    return connectOnce(process);
  }
  if (action !== 'netexec' && action !== 'serve-hostname') {
    await process.stderr.write(`agnhost: "${action}" is not modelled: netexec, serve-hostname, connect and pause are\n`);
    return 1;
  }
  const port = Number(option(process.argv, action === 'netexec' ? 'http-port' : 'port') ?? (action === 'netexec' ? 8080 : 9376));
  await serveHttp(process, port, (request, response) =>
    action === 'netexec' ? netexec(process, request, response) : sendText(response, process.world.hostname),
  );
  process.ready();
  await process.stdout.write(`Started HTTP server on port ${port}\n`);
  return process.serve(['TERM', 'INT']);
});

async function connectOnce(process: SimProcess): Promise<number> {
  const [host = '', port = '80'] = (process.argv[2] ?? '').split(':');
  const seconds = Number.parseInt(option(process.argv, 'timeout') ?? '10', 10);
  try {
    (await process.world.network.connect(host, Number(port), { signal: process.killed, timeoutMs: seconds * 1000 })).destroy();
    return 0;
  } catch (error) {
    const { reason } = error as { reason?: string };
    await process.stderr.write(`${{ refused: 'REFUSED', timeout: 'TIMEOUT', 'unknown-host': 'DNS' }[reason ?? ''] ?? 'OTHER'}\n`);
    return 1;
  }
}

async function netexec(process: SimProcess, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const { clock, hostname } = process.world;
  switch (url.pathname) {
    case '/hostname':
    case '/hostName':
      return sendText(response, hostname);
    case '/echo':
      return sendText(response, url.searchParams.get('msg') ?? '', { status: Number(url.searchParams.get('code') ?? 200) });
    case '/clientip':
      return sendText(response, `${clientOf(request)}:${request.socket.remotePort}`);
    case '/header':
      return sendText(response, String(request.headers[(url.searchParams.get('key') ?? '').toLowerCase()] ?? ''));
    case '/healthz':
      return sendText(response, '');
    case '/exit':
      sendText(response, '');
      process.signal('TERM');
      return undefined;
    default:
      return sendText(response, `NOW: ${new Date(clock.now()).toISOString()}`);
  }
}

const image = (
  entrypoint: readonly string[],
  programs: readonly (readonly [string, Program])[],
  more: Partial<ImageModel> = {},
): ImageModel => ({
  hasTag: () => true,
  sizeBytes: 12_000_000,
  memoryBytes: 6_000_000,
  entrypoint,
  programs: new Map(programs),
  ...more,
});

export const HTTP_ECHO = image(['/http-echo'], [['/http-echo', httpEcho]]);
export const ECHO_SERVER = image(
  ['/bin/sh', '-c', 'node webserver'],
  [
    ['/bin/sh', echoServer],
    ['node', echoServer],
  ],
  { sizeBytes: 34_000_000 },
);
export const ECHOSERVER = image(['/usr/local/bin/run.sh'], [...BUSYBOX_PROGRAMS, ['/usr/local/bin/run.sh', echoserver]], {
  files: () => systemFiles(ALPINE_RELEASE),
  sizeBytes: 46_000_000,
});
export const KICBASE = image(['/bin/echo-server'], [['/bin/echo-server', kicbase]], { sizeBytes: 4_900_000 });
export const WHOAMI = image(['/whoami'], [['/whoami', whoami]], { sizeBytes: 3_000_000 });
export const HELLO_APP = image(['/hello-app'], [['/hello-app', helloApp]], { sizeBytes: 13_000_000 });
export const AGNHOST: ImageModel = {
  ...image(['/agnhost'], []),
  cmd: ['pause'],
  files: () => systemFiles(ALPINE_RELEASE),
  sizeBytes: 53_000_000,
  programs: programTable(BUSYBOX_PROGRAMS, CURL, DNS_PROGRAMS, [
    ['/agnhost', agnhost],
    ['agnhost', agnhost],
  ]),
};
