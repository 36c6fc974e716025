/** Images that people start to look around: curl, DNS tools, network tools, plain distributions. */
import type { ImageModel, Program } from '../model.ts';
import {
  ALPINE_RELEASE,
  BUSYBOX_PROGRAMS,
  CURL as CURL_PROGRAMS,
  DEBIAN_PROGRAMS,
  DEBIAN_RELEASE,
  DNS_PROGRAMS,
  programTable,
  systemFiles,
  versionTags,
} from './base.ts';

/** As the image's own: what is no option is a command. */
const curlEntrypoint: Program = async (process) => {
  const [, first = ''] = process.argv;
  const known = process.world.programs.has(first);
  const child = process.spawn(known ? process.argv.slice(1) : ['curl', ...process.argv.slice(1)]);
  return child!.ended;
};

const helloWorld: Program = async ({ stdout }) => {
  await stdout.write(
    '\nHello from Rockpool!\nThis container is simulated: its image is modelled, and this text is what the model prints.\n\n',
  );
  return 0;
};

export const CURL: ImageModel = {
  hasTag: versionTags([], []),
  sizeBytes: 9_500_000,
  memoryBytes: 1_500_000,
  entrypoint: ['/entrypoint.sh'],
  cmd: ['curl'],
  user: { name: 'curl_user', uid: 100 },
  files: () => systemFiles(ALPINE_RELEASE, ['curl_user:x:100:101::/home/curl_user:/sbin/nologin']),
  programs: programTable(BUSYBOX_PROGRAMS, CURL_PROGRAMS, [['/entrypoint.sh', curlEntrypoint]]),
};

export const DNS_TOOLS: ImageModel = {
  hasTag: () => true,
  sizeBytes: 30_000_000,
  memoryBytes: 1_500_000,
  cmd: ['sleep', 'infinity'],
  files: () => systemFiles(ALPINE_RELEASE),
  programs: programTable(BUSYBOX_PROGRAMS, CURL_PROGRAMS, DNS_PROGRAMS, [['bash', BUSYBOX_PROGRAMS.find(([name]) => name === 'sh')![1]]]),
};

export const DEBIAN: ImageModel = {
  hasTag: versionTags(
    ['stable', 'testing', 'unstable', 'bookworm', 'trixie', 'bullseye', 'sid', 'jammy', 'noble', 'rolling', 'devel'],
    ['slim', 'backports', '\\d+(?:\\.\\d+)?'],
  ),
  sizeBytes: 49_000_000,
  memoryBytes: 2_000_000,
  cmd: ['bash'],
  files: () => systemFiles(DEBIAN_RELEASE),
  programs: programTable(DEBIAN_PROGRAMS),
};

export const HELLO_WORLD: ImageModel = {
  hasTag: () => true,
  sizeBytes: 10_000,
  memoryBytes: 100_000,
  cmd: ['/hello'],
  programs: new Map([['/hello', helloWorld]]),
};
