import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { errorMessage } from '../../../../lib/errors.ts';
import { type ImageModel, type Program, server as serverProgram } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { clientOf, logTime } from '../programs/web-server.ts';
import { matchesPattern } from '../shell/pattern.ts';
import { CURL, DEBIAN_PROGRAMS, DEBIAN_RELEASE, programTable, systemFiles, versionTags } from './base.ts';
import { type Directive, NginxConfigError, parseNginxConfig } from './nginx-config.ts';
import { answer, chooseServer, isModelled, virtualServers } from './nginx-server.ts';

const VERSION = '1.29.0';
const MAIN = '/etc/nginx/nginx.conf';

const nginx: Program = serverProgram(async (process) => {
  const { argv } = process;
  if (argv.includes('-v') || argv.includes('-V')) return tell(process, `nginx version: nginx/${VERSION}`);
  if (argv.includes('-s')) return signalMaster(process, argv[argv.indexOf('-s') + 1] ?? '');
  let http: readonly Directive[];
  try {
    http = await readConfig(process);
  } catch (error) {
    if (!(error instanceof NginxConfigError)) throw error;
    await notice(process, 'emerg', error.message);
    if (argv.includes('-t')) await tell(process, `nginx: configuration file ${MAIN} test failed`);
    return 1;
  }
  if (argv.includes('-t'))
    return tell(process, `nginx: the configuration file ${MAIN} syntax is ok\nnginx: configuration file ${MAIN} test is successful`);
  return run(process, http);
});

async function tell(process: SimProcess, text: string): Promise<number> {
  await process.stderr.write(`${text}\n`);
  return 0;
}

async function signalMaster(process: SimProcess, name: string): Promise<number> {
  const signal = ({ reload: 'HUP', stop: 'TERM', quit: 'QUIT', reopen: 'USR1' } as const)[name];
  if (!signal) return (await tell(process, `nginx: invalid option: "-s ${name}"`)) + 1;
  process.world.processes.get(1)?.signal(signal);
  return 0;
}

async function notice(process: SimProcess, level: string, text: string): Promise<void> {
  const at = new Date(process.world.clock.now()).toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ');
  await process.stderr.write(`${at} [${level}] ${process.pid}#${process.pid}: ${text}\n`);
}

/** The directives of `http`, with what it includes. */
async function readConfig(process: SimProcess): Promise<readonly Directive[]> {
  const top = parseNginxConfig(await textOf(process, MAIN), MAIN);
  const http = top.find(({ name }) => name === 'http')?.body ?? [];
  const directives = await withIncludes(process, http);
  for (const { name, body = [] } of directives) if (name === 'server') await checkModelled(process, body);
  return directives;
}

async function textOf({ world }: SimProcess, file: string): Promise<string> {
  if ((await world.files.stat(file))?.type !== 'file') throw new NginxConfigError(`open() "${file}" failed (2: No such file or directory)`);
  return (await world.files.read(file)).toString('utf8');
}

async function withIncludes(process: SimProcess, directives: readonly Directive[]): Promise<Directive[]> {
  const result: Directive[] = [];
  for (const directive of directives) {
    if (directive.name !== 'include')
      result.push(directive.body ? { ...directive, body: await withIncludes(process, directive.body) } : directive);
    else
      for (const file of await included(process, directive.words[0] ?? ''))
        result.push(...(await withIncludes(process, parseNginxConfig(await textOf(process, file), file))));
  }
  return result;
}

async function included({ world }: SimProcess, written: string): Promise<string[]> {
  const file = path.posix.resolve('/etc/nginx', written);
  // The table of types is built in.
  if (file === '/etc/nginx/mime.types') return [];
  const folder = path.posix.dirname(file);
  if ((await world.files.stat(folder))?.type !== 'directory') return [];
  const names = (await world.files.list(folder)).filter(
    (name) => matchesPattern(name, path.posix.basename(file)) && !name.startsWith('..'),
  );
  return names.map((name) => path.posix.join(folder, name));
}

async function checkModelled(process: SimProcess, directives: readonly Directive[]): Promise<void> {
  for (const { name, body } of directives) {
    if (!isModelled(name)) await notice(process, 'warn', `rockpool: the directive "${name}" is not modelled and has no effect here`);
    if (body) await checkModelled(process, body);
  }
}

async function run(process: SimProcess, configured: readonly Directive[]): Promise<number> {
  let servers = virtualServers(configured);
  const listeners = new Map<number, Server>();
  const respond =
    (port: number): ((request: IncomingMessage, response: ServerResponse) => void) =>
    (request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/, '');
      const server = chooseServer(servers, port, host);
      if (!server) return void response.destroy();
      answer(process, server, request, response)
        .then((result) => accessLog(process, request, result))
        .catch((error: unknown) => {
          response.destroy();
          return notice(process, 'crit', errorMessage(error));
        })
        // Nobody reads the log of a process that has ended.
        .catch(() => response.destroy());
    };
  const open = async (): Promise<void> => {
    for (const port of new Set(servers.flatMap(({ ports }) => ports))) {
      if (listeners.has(port)) continue;
      const server = createServer({ keepAliveTimeout: 65_000 }, respond(port));
      const { release } = await process.world.network.listen(server, port).catch((error: unknown) => fail(process, port, error));
      listeners.set(port, server);
      process.onExit(() => {
        release();
        server.close();
        server.closeAllConnections();
      });
    }
  };
  await open();
  process.ready();
  await notice(process, 'notice', `nginx/${VERSION} (modelled by rockpool)`);
  await notice(process, 'notice', 'start worker processes');
  process.handle('HUP', () => {
    readConfig(process)
      .then((http) => {
        servers = virtualServers(http);
        return open();
      })
      .then(() => notice(process, 'notice', 'signal 1 (SIGHUP) received, reconfiguring'))
      .catch((error: unknown) => notice(process, 'emerg', errorMessage(error)))
      .catch(() => process.signal('TERM'));
  });
  return process.serve(['TERM', 'INT', 'QUIT']);
}

async function fail(process: SimProcess, port: number, error: unknown): Promise<never> {
  await notice(process, 'emerg', `bind() to 0.0.0.0:${port} failed (98: Address already in use)`);
  throw error;
}

/** nginx's combined format, with the forwarded address that its image logs last. */
async function accessLog(
  process: SimProcess,
  request: IncomingMessage,
  { status, bytes }: { status: number; bytes: number },
): Promise<void> {
  const { headers } = request;
  const line = `${clientOf(request)} - - [${logTime(process.world.clock.now())}] "${request.method} ${request.url} HTTP/${request.httpVersion}" ${status} ${request.method === 'HEAD' ? 0 : bytes} "${headers.referer ?? '-'}" "${headers['user-agent'] ?? '-'}" "${String(headers['x-forwarded-for'] ?? '-')}"\n`;
  await process.stdout.write(line);
}

/** The image's entry point says what it does, and then is nginx. */
const entrypoint: Program = serverProgram(async (process) => {
  const argv = process.argv.slice(1);
  if (argv[0] !== 'nginx') {
    const child = process.spawn(argv);
    process.ready();
    if (child) return child.ended;
    await process.stderr.write(`/docker-entrypoint.sh: exec: ${argv[0] ?? ''}: not found\n`);
    return 127;
  }
  await process.stdout.write(
    '/docker-entrypoint.sh: /docker-entrypoint.d/ is not empty, will attempt to perform configuration\n/docker-entrypoint.sh: Configuration complete; ready for start up\n',
  );
  return nginx(process);
});

const NGINX_CONF = `user  nginx;
worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';

    access_log  /var/log/nginx/access.log  main;

    sendfile        on;
    keepalive_timeout  65;

    include /etc/nginx/conf.d/*.conf;
}
`;

const DEFAULT_CONF = `server {
    listen       80;
    listen  [::]:80;
    server_name  localhost;

    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }

    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
`;

const INDEX = `<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto; font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This page comes from a simulated pod: Rockpool models the nginx image and answers in its place.</p>
<p>Put files of your own under /usr/share/nginx/html, by a ConfigMap for example, and they are served instead.</p>
</body>
</html>
`;

const image: ImageModel = {
  hasTag: versionTags(
    ['mainline', 'stable'],
    ['alpine', 'alpine\\d+\\.\\d+', 'slim', 'perl', 'otel', 'bookworm', 'bullseye', 'trixie', 'mainline'],
  ),
  sizeBytes: 72_223_946,
  memoryBytes: 8_500_000,
  entrypoint: ['/docker-entrypoint.sh'],
  cmd: ['nginx', '-g', 'daemon off;'],
  env: { NGINX_VERSION: VERSION },
  stopSignal: 'QUIT',
  files: () => ({
    ...systemFiles(DEBIAN_RELEASE, ['nginx:x:101:101:nginx user:/nonexistent:/bin/false']),
    [MAIN]: NGINX_CONF,
    '/etc/nginx/conf.d/default.conf': DEFAULT_CONF,
    '/etc/nginx/mime.types': 'types {\n    text/html  html htm;\n}\n',
    '/usr/share/nginx/html/index.html': INDEX,
    '/usr/share/nginx/html/50x.html': '<html><body><h1>An error occurred.</h1></body></html>\n',
    '/docker-entrypoint.sh': '#!/bin/sh\nexec "$@"\n',
    '/var/log/nginx/access.log': '',
    '/var/log/nginx/error.log': '',
    '/var/cache/nginx/.keep': '',
  }),
  programs: programTable(DEBIAN_PROGRAMS, CURL, [
    ['nginx', nginx],
    ['/docker-entrypoint.sh', entrypoint],
  ]),
};

export default image;
