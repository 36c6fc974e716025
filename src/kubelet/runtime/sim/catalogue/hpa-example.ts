/** The server of upstream's walkthrough of the horizontal pod autoscaler: a page of PHP that adds up a million square roots. */
import { type ImageModel, server } from '../model.ts';
import { clientOf, logTime, sendText, serveHttp } from '../programs/web-server.ts';
import { DEBIAN_PROGRAMS, DEBIAN_RELEASE, programTable, systemFiles } from './base.ts';

/** What the page costs on a core of a laptop. */
const PAGE_MS = 80;

const apache = server(async (process) => {
  const { world } = process;
  await serveHttp(process, 80, async (request, response) => {
    await world.cpu.work(PAGE_MS, process.killed);
    sendText(response, 'OK!', { type: 'text/html' });
    await process.stdout.write(
      `${clientOf(request)} - - [${logTime(world.clock.now())}] "${request.method} ${request.url} HTTP/${request.httpVersion}" 200 177 "-" "${request.headers['user-agent'] ?? '-'}"\n`,
    );
  });
  process.ready();
  await process.stderr.write(
    `AH00558: apache2: Could not reliably determine the server's fully qualified domain name, using ${world.network.ip}. Set the 'ServerName' directive globally to suppress this message\n`,
  );
  await process.stderr.write(
    `[${new Date(world.clock.now()).toUTCString()}] [mpm_prefork:notice] [pid 1] AH00163: Apache/2.4.10 (Debian) PHP/5.6.14, modelled by rockpool -- resuming normal operations\n`,
  );
  return process.serve(['TERM', 'INT']);
});

const image: ImageModel = {
  hasTag: (tag) => tag === 'latest' || tag === 'v1',
  sizeBytes: 180_000_000,
  memoryBytes: 11_000_000,
  cmd: ['apache2-foreground'],
  workingDir: '/var/www/html',
  files: () => ({
    ...systemFiles(DEBIAN_RELEASE),
    '/var/www/html/index.php':
      '<?php\n  $x = 0.0001;\n  for ($i = 0; $i <= 1000000; $i++) {\n    $x += sqrt($x);\n  }\n  echo "OK!";\n?>\n',
  }),
  programs: programTable(DEBIAN_PROGRAMS, [['apache2-foreground', apache]]),
};

export default image;
