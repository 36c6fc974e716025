/** What nginx does with a request: virtual servers, locations, files, `return`, `proxy_pass`. The rest of its directives is not modelled. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import type { SimProcess } from '../process.ts';
import type { Directive } from './nginx-config.ts';

export interface VirtualServer {
  ports: readonly number[];
  names: readonly string[];
  isDefault: boolean;
  directives: readonly Directive[];
}

const MODELLED = new Set([
  'listen', 'server_name', 'location', 'root', 'index', 'return', 'proxy_pass', 'alias', 'try_files', 'add_header', 'error_page', 'default_type', 'autoindex', 'internal',
]); // prettier-ignore
/** They tune what a model has no need of, or what it does anyhow. */
const HARMLESS =
  /^(?:access_log|error_log|log_format|charset|sendfile|tcp_nopush|tcp_nodelay|keepalive_\w+|gzip\w*|types\w*|include|client_\w+|proxy_(?:set_header|http_version|read_timeout|connect_timeout|send_timeout|buffering\w*|redirect|buffers?|buffer_size|cache_bypass)|server_tokens|expires|etag|if_modified_since|resolver\w*|large_client_header_buffers|reset_timedout_connection|send_timeout|large\w*)$/;

export function isModelled(name: string): boolean {
  return MODELLED.has(name) || HARMLESS.test(name);
}

export function virtualServers(http: readonly Directive[]): VirtualServer[] {
  return http
    .filter(({ name }) => name === 'server')
    .map(({ body = [] }) => {
      const listens = body.filter(({ name }) => name === 'listen');
      const ports = listens
        .filter(({ words }) => !words.includes('ssl'))
        .map(({ words }) => Number(/(\d+)$/.exec(words[0] ?? '')?.[1] ?? 80));
      return {
        ports: [...new Set(listens.length > 0 ? ports : [80])],
        names: wordsOf(body, 'server_name'),
        isDefault: listens.some(({ words }) => words.includes('default_server')),
        directives: body,
      };
    });
}

/** By name, with a wildcard at either end; else the default one, else the first. */
export function chooseServer(servers: readonly VirtualServer[], port: number, host: string): VirtualServer | undefined {
  const here = servers.filter(({ ports }) => ports.includes(port));
  const fits = (name: string): boolean =>
    name === host ||
    (name.startsWith('*.') && host.endsWith(name.slice(1))) ||
    (name.startsWith('~') && new RegExp(name.slice(1)).test(host));
  return here.find(({ names }) => names.some(fits)) ?? here.find(({ isDefault }) => isDefault) ?? here[0];
}

/** Answers; resolves with the status and the number of bytes of the body, for the log. */
export async function answer(
  process: SimProcess,
  server: VirtualServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ status: number; bytes: number }> {
  const url = request.url ?? '/';
  const pathname = decoded(url.split('?')[0]!);
  if (pathname === undefined) return page(response, 400);
  return locate({ process, server, request, response, url }, path.posix.normalize(pathname), 0);
}

interface Exchange {
  process: SimProcess;
  server: VirtualServer;
  request: IncomingMessage;
  response: ServerResponse;
  url: string;
}

type Answered = Promise<{ status: number; bytes: number }> | { status: number; bytes: number };
const MAX_INTERNAL_REDIRECTS = 10;

async function locate(exchange: Exchange, pathname: string, redirects: number): Promise<{ status: number; bytes: number }> {
  if (redirects > MAX_INTERNAL_REDIRECTS) return page(exchange.response, 500);
  const { server, response } = exchange;
  const location = chooseLocation(server.directives, pathname);
  const own = location?.body ?? [];
  const scope = [...own, ...server.directives.filter(({ name }) => !own.some((directive) => directive.name === name))];
  for (const { words } of scope.filter(({ name }) => name === 'add_header'))
    response.setHeader(words[0] ?? '', substitute(words[1] ?? '', exchange, pathname));
  const returned = own.find(({ name }) => name === 'return') ?? server.directives.find(({ name }) => name === 'return');
  if (returned) return giveBack(exchange, returned.words, pathname, wordsOf(scope, 'default_type')[0]);
  const target = own.find(({ name }) => name === 'proxy_pass')?.words[0];
  if (target) return proxy(exchange, substitute(target, exchange, pathname), location?.words.at(-1) ?? '/', pathname);
  return serveFile(exchange, { scope, location, pathname, redirects });
}

/** `=` before `^~` before regular expressions before the longest prefix. */
function chooseLocation(directives: readonly Directive[], pathname: string): Directive | undefined {
  const locations = directives.filter(({ name }) => name === 'location');
  const exact = locations.find(({ words }) => words[0] === '=' && words[1] === pathname);
  if (exact) return exact;
  const prefixes = locations
    .filter(({ words }) => !['=', '~', '~*'].includes(words[0]!) && pathname.startsWith(words.at(-1)!))
    .toSorted((a, b) => b.words.at(-1)!.length - a.words.at(-1)!.length);
  if (prefixes[0]?.words[0] === '^~') return prefixes[0];
  const expression = locations.find(
    ({ words }) => ['~', '~*'].includes(words[0]!) && new RegExp(words[1] ?? '', words[0] === '~*' ? 'i' : '').test(pathname),
  );
  return expression ?? prefixes[0];
}

function giveBack(exchange: Exchange, words: readonly string[], pathname: string, type = 'text/plain'): Answered {
  const { response } = exchange;
  const status = Number(words[0]);
  const text = words[1] === undefined ? undefined : substitute(words[1], exchange, pathname);
  if (Number.isNaN(status)) return redirect(response, 302, substitute(words[0] ?? '', exchange, pathname));
  if ([301, 302, 303, 307, 308].includes(status) && text !== undefined) return redirect(response, status, text);
  return text === undefined ? page(response, status) : send(response, status, Buffer.from(text), type);
}

function redirect(response: ServerResponse, status: number, location: string): Answered {
  response.setHeader('location', location);
  return page(response, status);
}

function substitute(text: string, { process, request, url }: Exchange, pathname: string): string {
  const host = request.headers.host ?? '';
  const variables: Readonly<Record<string, string>> = {
    uri: pathname, request_uri: url, args: url.split('?')[1] ?? '', host: host.replace(/:\d+$/, ''), http_host: host, scheme: 'http', request_method: request.method ?? '', hostname: process.world.hostname,
    remote_addr: request.socket.remoteAddress ?? '', server_addr: process.world.network.ip, server_port: String(request.socket.localPort ?? ''), http_user_agent: request.headers['user-agent'] ?? '',
    time_iso8601: new Date(process.world.clock.now()).toISOString(), request_id: String(process.world.clock.now()), nginx_version: '1.29.0', status: '200', is_args: url.includes('?') ? '?' : '',
  }; // prettier-ignore
  return text.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    const name = (braced ?? plain)!;
    if (name.startsWith('http_')) return String(request.headers[name.slice(5).replaceAll('_', '-')] ?? variables[name] ?? '');
    return variables[name] ?? whole;
  });
}

interface FileRequest {
  scope: readonly Directive[];
  location: Directive | undefined;
  pathname: string;
  redirects: number;
}

async function serveFile(
  exchange: Exchange,
  { scope, location, pathname, redirects }: FileRequest,
): Promise<{ status: number; bytes: number }> {
  const { process, request, response } = exchange;
  if (request.method !== 'GET' && request.method !== 'HEAD') return page(response, 405);
  const { files } = process.world;
  const alias = wordsOf(location?.body ?? [], 'alias')[0];
  const prefix = location?.words.at(-1) ?? '/';
  // Resolved, so that a folder's name has no slash at its end.
  const fileOf = (name: string): string =>
    path.posix.resolve(
      alias
        ? path.posix.join(alias, name.slice(prefix.length))
        : path.posix.join('/', wordsOf(scope, 'root')[0] ?? '/etc/nginx/html', name),
    );
  const tries = wordsOf(scope, 'try_files');
  if (tries.length > 0) return tryFiles(exchange, { tries, fileOf, pathname, redirects });
  const info = await files.stat(fileOf(pathname));
  if (info?.type === 'directory') {
    if (!pathname.endsWith('/')) return redirect(response, 301, `http://${request.headers.host ?? ''}${pathname}/`);
    const index = wordsOf(scope, 'index');
    for (const name of index.length > 0 ? index : ['index.html']) {
      if ((await files.stat(fileOf(pathname + name)))?.type === 'file') return sendFile(exchange, fileOf(pathname + name));
    }
    return denied(exchange, `directory index of "${fileOf(pathname)}" is forbidden`, 403);
  }
  if (info) return sendFile(exchange, fileOf(pathname));
  return denied(exchange, `open() "${fileOf(pathname)}" failed (2: No such file or directory)`, 404);
}

async function tryFiles(
  exchange: Exchange,
  {
    tries,
    fileOf,
    pathname,
    redirects,
  }: { tries: readonly string[]; fileOf: (name: string) => string; pathname: string; redirects: number },
): Promise<{ status: number; bytes: number }> {
  const { files } = exchange.process.world;
  for (const text of tries.slice(0, -1)) {
    const name = substitute(text, exchange, pathname);
    const info = await files.stat(fileOf(name));
    if (info?.type === 'file') return sendFile(exchange, fileOf(name));
    const index = path.posix.join(fileOf(name), 'index.html');
    if (info && name.endsWith('/') && (await files.stat(index))?.type === 'file') return sendFile(exchange, index);
  }
  const last = substitute(tries.at(-1)!, exchange, pathname);
  return last.startsWith('=') ? page(exchange.response, Number(last.slice(1))) : locate(exchange, last, redirects + 1);
}

async function denied(
  { process, request, response, url }: Exchange,
  message: string,
  status: number,
): Promise<{ status: number; bytes: number }> {
  const at = new Date(process.world.clock.now()).toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ');
  const client = request.socket.remoteAddress ?? '';
  await process.stderr.write(
    `${at} [error] ${process.pid}#${process.pid}: *1 ${message}, client: ${client}, server: localhost, request: "${request.method} ${url} HTTP/1.1", host: "${request.headers.host ?? ''}"\n`,
  );
  return page(response, status);
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html', '.htm': 'text/html', '.css': 'text/css', '.js': 'application/javascript', '.json': 'application/json', '.txt': 'text/plain', '.svg': 'image/svg+xml', '.png': 'image/png', '.xml': 'text/xml',
}; // prettier-ignore

async function sendFile({ process, response }: Exchange, file: string): Promise<{ status: number; bytes: number }> {
  const bytes = await process.world.files.read(file);
  const info = await process.world.files.stat(file);
  if (info) response.setHeader('last-modified', new Date(info.modifiedAt).toUTCString());
  return send(response, 200, bytes, TYPES[path.posix.extname(file)] ?? 'application/octet-stream');
}

const REASONS: Readonly<Record<number, string>> = {
  301: 'Moved Permanently', 302: 'Found', 400: 'Bad Request', 401: 'Authorization Required', 403: 'Forbidden', 404: 'Not Found', 405: 'Not Allowed', 500: 'Internal Server Error', 502: 'Bad Gateway', 503: 'Service Temporarily Unavailable',
}; // prettier-ignore

/** nginx's own short pages. */
function page(response: ServerResponse, status: number): { status: number; bytes: number } {
  const title = `${status} ${REASONS[status] ?? ''}`.trim();
  const html = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n`;
  return send(response, status, status < 300 ? Buffer.alloc(0) : Buffer.from(html), 'text/html');
}

function send(response: ServerResponse, status: number, body: Buffer, type: string): { status: number; bytes: number } {
  response.writeHead(status, { server: 'nginx/1.29.0', 'content-type': type, 'content-length': body.length });
  response.end(body);
  return { status, bytes: body.length };
}

/** With a path in proxy_pass the location's prefix is replaced by it, as nginx does. */
async function proxy(
  { process, request, response, url }: Exchange,
  target: string,
  prefix: string,
  pathname: string,
): Promise<{ status: number; bytes: number }> {
  const to = new URL(target);
  const query = url.includes('?') ? url.slice(url.indexOf('?')) : '';
  const path = /^https?:\/\/[^/]+$/.test(target) ? url : to.pathname + pathname.slice(prefix.length) + query;
  try {
    const socket = await process.world.network.connect(to.hostname, Number(to.port || 80), { signal: process.killed });
    return await new Promise((resolve, reject) => {
      const outgoing = httpRequest(
        {
          createConnection: () => socket,
          method: request.method,
          path,
          headers: { ...request.headers, host: to.host, connection: 'close' },
        },
        (incoming) => {
          let bytes = 0;
          response.writeHead(incoming.statusCode ?? 502, { ...incoming.headers, server: 'nginx/1.29.0' });
          incoming.on('data', (chunk: Buffer) => (bytes += chunk.length));
          incoming.once('end', () => resolve({ status: incoming.statusCode ?? 502, bytes }));
          incoming.pipe(response);
        },
      );
      outgoing.on('error', reject);
      request.pipe(outgoing);
    });
  } catch (error) {
    return denied(
      { process, server: { ports: [], names: [], isDefault: false, directives: [] }, request, response, url },
      `connect() failed (${(error as Error).message}) while connecting to upstream`,
      502,
    );
  }
}

function wordsOf(directives: readonly Directive[], name: string): readonly string[] {
  return directives.find((directive) => directive.name === name)?.words ?? [];
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
