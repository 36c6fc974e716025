/** wget and curl: real requests to real sockets. */
import type { IncomingMessage } from 'node:http';
import { BrokenPipe } from '../io.ts';
import type { Program } from '../model.ts';
import { ConnectError } from '../pod-network.ts';
import type { SimProcess } from '../process.ts';
import { parseArguments } from './arguments.ts';
import { absolute, complain } from './files-of.ts';

interface HttpRequest {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body?: string | Buffer;
  timeoutMs?: number;
  insecure?: boolean;
}

/** Rejects with ConnectError when there is no connection. */
async function send(process: SimProcess, { url, method, headers, body, timeoutMs, insecure }: HttpRequest): Promise<IncomingMessage> {
  const secure = url.protocol === 'https:';
  const port = Number(url.port || (secure ? 443 : 80));
  const deadline = timeoutMs === undefined ? process.killed : AbortSignal.any([process.killed, AbortSignal.timeout(timeoutMs)]);
  const host = url.hostname.replaceAll(/[[\]]/g, '');
  const socket = await process.world.network.connect(host, port, { signal: deadline, timeoutMs });
  process.onExit(() => socket.destroy());
  const { request } = secure ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const target = {
      method,
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, ...headers, connection: 'close' },
      signal: deadline,
      setHost: false,
    };
    const tls = { servername: host, rejectUnauthorized: !insecure };
    const outgoing = secure
      ? request({ ...target, ...tls, socket, agent: false } as never)
      : request({ ...target, createConnection: () => socket });
    outgoing.once('response', resolve);
    outgoing.once('error', (error: Error) =>
      reject(deadline.aborted ? new ConnectError('timeout', 'download timed out', { cause: error }) : error),
    );
    outgoing.end(body);
  });
}

const MAX_REDIRECTS = 10;

async function follow(process: SimProcess, request: HttpRequest, redirects: boolean): Promise<{ response: IncomingMessage; url: URL }> {
  let current = request;
  for (let hops = 0; ; hops++) {
    const response = await send(process, current);
    const location = response.headers.location;
    if (!redirects || !location || hops >= MAX_REDIRECTS || ![301, 302, 303, 307, 308].includes(response.statusCode ?? 0))
      return { response, url: current.url };
    response.resume();
    current = {
      ...current,
      url: new URL(location, current.url),
      ...(response.statusCode === 303 ? { method: 'GET', body: undefined } : {}),
    };
  }
}

function urlOf(text: string): URL {
  return new URL(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
}

/** busybox's wget. */
const wget: Program = async (process) => {
  const parsed = parseArguments(process.argv, {
    known: 'qcS',
    valued: 'OTtUPoYHD',
    long: {
      'output-document': 'O',
      timeout: 'T',
      quiet: 'q',
      spider: 's',
      'no-check-certificate': 'k',
      header: 'H',
      'post-data': 'D',
      tries: 't',
      'server-response': 'S',
    },
  });
  const [text] = parsed.operands;
  if (text === undefined) {
    await process.stderr.write('Usage: wget [-q] [-O FILE] [-T SEC] URL...\n');
    return 1;
  }
  const url = urlOf(text);
  const quiet = parsed.flags.has('q');
  const data = parsed.value('D');
  const timeout = parsed.value('T');
  const request: HttpRequest = {
    url,
    method: data === undefined ? 'GET' : 'POST',
    headers: {
      'user-agent': parsed.value('U') ?? 'Wget',
      ...(data === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
      ...headersOf(parsed.values('H')),
    },
    body: data,
    timeoutMs: timeout === undefined ? undefined : Number(timeout) * 1000,
    insecure: true,
  };
  try {
    if (!quiet) await process.stderr.write(`Connecting to ${url.host}\n`);
    const { response } = await follow(process, request, true);
    if (parsed.flags.has('S')) await process.stderr.write(`  HTTP/1.1 ${response.statusCode} ${response.statusMessage}\n`);
    if ((response.statusCode ?? 500) >= 400) {
      await complain(process, `server returned error: HTTP/1.1 ${response.statusCode} ${response.statusMessage}`);
      return 1;
    }
    if (parsed.flags.has('s')) return 0;
    return await save(process, response, { file: parsed.value('O'), url, quiet });
  } catch (error) {
    await complain(process, wgetFailure(error, url));
    return 1;
  }
};

function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).trim().toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
}

async function save(
  process: SimProcess,
  response: IncomingMessage,
  { file, url, quiet }: { file: string | undefined; url: URL; quiet: boolean },
): Promise<number> {
  if (file === '-') {
    for await (const chunk of response) await process.stdout.write(chunk as Buffer);
    return 0;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const name = file ?? (url.pathname.split('/').at(-1) || 'index.html');
  await process.world.files.write(absolute(process, name), Buffer.concat(chunks));
  if (!quiet) await process.stderr.write(`saving to '${name}'\n'${name}' saved\n`);
  return 0;
}

function wgetFailure(error: unknown, url: URL): string {
  if (!(error instanceof ConnectError)) {
    if (error instanceof BrokenPipe) throw error;
    return `error getting response: ${error instanceof Error ? error.message : String(error)}`;
  }
  if (error.reason === 'unknown-host') return `bad address '${url.host}'`;
  if (error.reason === 'timeout') return 'download timed out';
  return `can't connect to remote host (${url.hostname}): ${error.message}`;
}

const CURL = {
  known: 'sSfkLiIvgGN46',
  valued: 'omXHdAuwxmF',
  long: {
    silent: 's', 'show-error': 'S', fail: 'f', insecure: 'k', location: 'L', include: 'i', head: 'I', verbose: 'v', output: 'o', 'max-time': 'm', 'connect-timeout': 'm', request: 'X', header: 'H',
    data: 'd', 'data-raw': 'd', 'user-agent': 'A', user: 'u', 'write-out': 'w', 'no-buffer': 'N', json: 'd', resolve: 'R', cacert: 'C', 'no-progress-meter': 's', retry: 'r', globoff: 'g',
  },
} as const; // prettier-ignore

const curl: Program = async (process) => {
  const parsed = parseArguments(process.argv, { ...CURL, valued: `${CURL.valued}RCr` });
  const [text] = parsed.operands;
  if (text === undefined) {
    await process.stderr.write("curl: (2) no URL specified\ncurl: try 'curl --help' for more information\n");
    return 2;
  }
  const { flags, value, values } = parsed;
  const data = values('d');
  const headers = {
    'user-agent': value('A') ?? 'curl/8.14.1',
    accept: '*/*',
    ...(data.length > 0
      ? { 'content-type': process.argv.includes('--json') ? 'application/json' : 'application/x-www-form-urlencoded' }
      : {}),
    ...headersOf(values('H')),
  };
  const user = value('u');
  if (user !== undefined) Object.assign(headers, { authorization: `Basic ${Buffer.from(user).toString('base64')}` });
  const seconds = value('m');
  const request: HttpRequest = {
    url: urlOf(text),
    method: value('X') ?? (flags.has('I') ? 'HEAD' : data.length > 0 ? 'POST' : 'GET'),
    headers,
    body: data.length > 0 ? data.join('&') : undefined,
    timeoutMs: seconds === undefined ? undefined : Number(seconds) * 1000,
    insecure: flags.has('k'),
  };
  try {
    const { response, url } = await follow(process, request, flags.has('L'));
    return await curlOutput(process, response, { flags, url, file: value('o'), format: value('w') });
  } catch (error) {
    return curlFailure(process, error, { request, silent: flags.has('s') && !flags.has('S') });
  }
};

interface CurlOutput {
  flags: ReadonlySet<string>;
  url: URL;
  file: string | undefined;
  format: string | undefined;
}

async function curlOutput(process: SimProcess, response: IncomingMessage, { flags, url, file, format }: CurlOutput): Promise<number> {
  const status = response.statusCode ?? 0;
  const head = `HTTP/${response.httpVersion} ${status} ${response.statusMessage}\r\n${rawHeaders(response)}\r\n`;
  if (flags.has('v')) await process.stderr.write(`< ${head.trimEnd().replaceAll('\r\n', '\n< ')}\n< \n`);
  if (flags.has('f') && status >= 400) {
    response.resume();
    await process.stderr.write(`curl: (22) The requested URL returned error: ${status}\n`);
    return 22;
  }
  const chunks: Buffer[] = flags.has('i') || flags.has('I') ? [Buffer.from(head)] : [];
  let size = 0;
  if (file === undefined) for (const chunk of chunks) await process.stdout.write(chunk);
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (file === undefined) await process.stdout.write(chunk as Buffer);
    else chunks.push(chunk as Buffer);
  }
  if (file !== undefined && file !== '/dev/null') await process.world.files.write(absolute(process, file), Buffer.concat(chunks));
  if (format !== undefined) await process.stdout.write(writeOut(format, { status, size, url }));
  return 0;
}

function rawHeaders({ rawHeaders: raw }: IncomingMessage): string {
  let text = '';
  for (let at = 0; at < raw.length; at += 2) text += `${raw[at]}: ${raw[at + 1]}\r\n`;
  return text;
}

function writeOut(format: string, { status, size, url }: { status: number; size: number; url: URL }): string {
  const fields: Readonly<Record<string, string>> = {
    http_code: String(status),
    response_code: String(status),
    size_download: String(size),
    url_effective: url.href,
    time_total: '0.001',
  };
  return format
    .replaceAll(/%\{(\w+)\}/g, (_, name: string) => fields[name] ?? '')
    .replaceAll('\\n', '\n')
    .replaceAll('\\t', '\t');
}

/** curl(1)'s exit codes and words. */
async function curlFailure(
  process: SimProcess,
  error: unknown,
  { request: { url, timeoutMs }, silent }: { request: HttpRequest; silent: boolean },
): Promise<number> {
  if (error instanceof BrokenPipe) throw error;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const reason = error instanceof ConnectError ? error.reason : 'other';
  const told: Readonly<Record<string, readonly [number, string]>> = {
    'unknown-host': [6, `Could not resolve host: ${url.hostname}`],
    refused: [7, `Failed to connect to ${url.hostname} port ${port} after 0 ms: Could not connect to server`],
    unreachable: [7, `Failed to connect to ${url.hostname} port ${port} after 0 ms: Could not connect to server`],
    timeout: [28, `Connection timed out after ${timeoutMs ?? 0} milliseconds`],
    reset: [56, 'Recv failure: Connection reset by peer'],
  };
  const certificate = error instanceof Error && /certificate/i.test(error.message);
  const [code, words] =
    told[reason] ??
    (certificate ? [60, `SSL certificate problem: ${error.message}`] : [56, error instanceof Error ? error.message : String(error)]);
  if (!silent) await process.stderr.write(`curl: (${code}) ${words}\n`);
  return code;
}

export const WGET: readonly [string, Program] = ['wget', wget];
export const CURL_PROGRAM: readonly [string, Program] = ['curl', curl];
