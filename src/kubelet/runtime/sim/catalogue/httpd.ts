import path from 'node:path';
import { type ImageModel, type Program, server } from '../model.ts';
import { clientOf, logTime, sendText, serveHttp } from '../programs/web-server.ts';
import { DEBIAN_PROGRAMS, DEBIAN_RELEASE, programTable, systemFiles, versionTags } from './base.ts';

const ROOT = '/usr/local/apache2/htdocs';
const CONF = '/usr/local/apache2/conf/httpd.conf';
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.txt': 'text/plain',
  '.svg': 'image/svg+xml',
};

const httpd: Program = server(async (process) => {
  const { files, clock, network } = process.world;
  const configured = /^\s*Listen\s+(?:\S+:)?(\d+)/m.exec((await files.read(CONF)).toString('utf8'))?.[1];
  await serveHttp(process, Number(configured ?? 80), async (request, response) => {
    const url = request.url ?? '/';
    const asked = path.posix.resolve(path.posix.join('/', decodeURIComponent(url.split('?')[0]!)));
    const folder = (await files.stat(path.posix.join(ROOT, asked).replace(/\/$/, '')))?.type === 'directory';
    const file = path.posix.resolve(path.posix.join(ROOT, asked, folder ? 'index.html' : ''));
    const found = (await files.stat(file))?.type === 'file';
    const body = found ? (await files.read(file)).toString('utf8') : errorPage();
    response.setHeader('server', 'Apache/2.4.65 (Unix)');
    sendText(
      response,
      body,
      found
        ? { type: TYPES[path.posix.extname(file)] ?? 'application/octet-stream' }
        : { status: 404, type: 'text/html; charset=iso-8859-1' },
    );
    await process.stdout.write(
      `${clientOf(request)} - - [${logTime(clock.now())}] "${request.method} ${url} HTTP/${request.httpVersion}" ${found ? 200 : 404} ${Buffer.byteLength(body)}\n`,
    );
  });
  process.ready();
  const now = new Date(clock.now()).toUTCString();
  await process.stderr.write(
    `AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using ${network.ip}. Set the 'ServerName' directive globally to suppress this message\n`,
  );
  await process.stderr.write(
    `[${now}] [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/2.4.65 (Unix), modelled by rockpool -- resuming normal operations\n`,
  );
  return process.serve(['TERM', 'INT']);
});

function errorPage(): string {
  return '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>404 Not Found</title>\n</head><body>\n<h1>Not Found</h1>\n<p>The requested URL was not found on this server.</p>\n</body></html>\n';
}

const image: ImageModel = {
  hasTag: versionTags([], ['alpine', 'alpine\\d+\\.\\d+', 'bookworm', 'trixie', 'bullseye']),
  sizeBytes: 45_187_902,
  memoryBytes: 9_000_000,
  cmd: ['httpd-foreground'],
  workingDir: '/usr/local/apache2',
  env: { HTTPD_PREFIX: '/usr/local/apache2', HTTPD_VERSION: '2.4.65' },
  files: () => ({
    ...systemFiles(DEBIAN_RELEASE),
    [`${ROOT}/index.html`]: '<html><body><h1>It works!</h1></body></html>\n',
    [CONF]: 'ServerRoot "/usr/local/apache2"\nListen 80\nDocumentRoot "/usr/local/apache2/htdocs"\n',
  }),
  programs: programTable(DEBIAN_PROGRAMS, [
    ['httpd-foreground', httpd],
    ['httpd', httpd],
  ]),
};

export default image;
