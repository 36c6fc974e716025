/** The node process as the node image carries it: dist/ without the laptop's part, and the native modules that a bundle cannot hold. */
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { errorCode } from '../../lib/errors.ts';
import { readIfExists, writeFileAtomic } from '../files.ts';
import { failure } from '../reasons.ts';
import type { TarEntry } from './deb.ts';
import type { DebianArch } from './packages.ts';
import { pauseArchive } from './pause.ts';
import { directory, file, tarOf } from './tar-writer.ts';

/** Where the bundle stands in the node. */
export const BUNDLE_DIR = 'opt/rockpool';
/** Archives that the node imports when it starts. */
export const IMAGES_DIR = `${BUNDLE_DIR}/images`;
/** V8's compile cache, baked in when the image is made. */
export const COMPILE_CACHE_DIR = `${BUNDLE_DIR}/cache`;

const LAPTOP_ONLY = /^(cli\.mjs|rockpool\.mjs|chunks(\/.*)?|.*\.map)$/;
/** lmdb and what it requires; its prebuilt library comes in a package per platform. */
const NATIVE_PACKAGES = ['lmdb', 'msgpackr', 'ordered-binary', 'weak-lru-cache', 'node-gyp-build-optional-packages', 'detect-libc'];

/**
 * A hash of everything in the bundle, for the image's tag. Reading all of it would cost each start 50 ms, so the last answer is kept
 * beside what it was found for: names, sizes and times of our files, and the versions of npm's.
 */
export async function bundleHash(packageRoot: string, arch: DebianArch, cacheDir: string): Promise<string> {
  const stamp = await bundleStamp(packageRoot, arch);
  const cache = join(cacheDir, `bundle-${arch}.json`);
  const known = parseCache(await readIfExists(cache));
  if (known?.stamp === stamp) return known.hash;
  const hash = createHash('sha256')
    .update(await readBundle(packageRoot, arch))
    .digest('hex')
    .slice(0, 16);
  await writeFileAtomic(cache, JSON.stringify({ stamp, hash }));
  return hash;
}

/** The bundle of this installation as a tar to be laid over the base image at /. Throws IMAGE_BUILD when dist/ was not built. */
export async function readBundle(packageRoot: string, arch: DebianArch): Promise<Buffer> {
  const [program, ...natives] = await Promise.all([
    readTree(join(packageRoot, 'dist'), BUNDLE_DIR, isLaptopOnly),
    ...nativePackages(packageRoot, arch).map(({ name, dir }) => readTree(dir, `${BUNDLE_DIR}/node_modules/${name}`, isNotNeeded)),
  ]);
  if (!program.some((entry) => entry.path === `${BUNDLE_DIR}/node.mjs`)) throw notBuilt(packageRoot);
  return tarOf([
    ...[BUNDLE_DIR, IMAGES_DIR, COMPILE_CACHE_DIR].map((path) => directory(path)),
    ...program,
    ...natives.flat(),
    file(`${IMAGES_DIR}/pause.tar`, pauseArchive(arch)),
  ]);
}

async function bundleStamp(packageRoot: string, arch: DebianArch): Promise<string> {
  const files = await listTree(join(packageRoot, 'dist'), isLaptopOnly);
  if (!files.some(({ name }) => name === 'node.mjs')) throw notBuilt(packageRoot);
  const [ours, theirs] = await Promise.all([
    Promise.all(files.map(async ({ path, name }) => `${name} ${await stat(path).then(({ size, mtimeMs }) => `${size} ${mtimeMs}`)}`)),
    Promise.all(
      nativePackages(packageRoot, arch).map(
        async ({ name, dir }) =>
          `${name} ${createHash('sha256')
            .update((await readIfExists(join(dir, 'package.json'))) ?? '')
            .digest('hex')}`,
      ),
    ),
  ]);
  return [packageRoot, ...ours.toSorted(), ...theirs].join('\n');
}

function parseCache(text: string | undefined): { stamp: string; hash: string } | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as { stamp: string; hash: string };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function nativePackages(packageRoot: string, arch: DebianArch): { name: string; dir: string }[] {
  const npmArch = arch === 'amd64' ? 'x64' : 'arm64';
  return [...NATIVE_PACKAGES, `@lmdb/lmdb-linux-${npmArch}`].map((name) => ({ name, dir: join(packageRoot, 'node_modules', name) }));
}

function notBuilt(packageRoot: string): Error {
  return failure('IMAGE_BUILD', `${join(packageRoot, 'dist', 'node.mjs')} is missing`, { advice: ['Build it: `npm run build`.'] });
}

function isLaptopOnly(path: string): boolean {
  return LAPTOP_ONLY.test(path);
}

/** Files below `root`, in a fixed order, at `target`; none when there is no such folder. */
async function readTree(root: string, target: string, drop: (path: string) => boolean): Promise<TarEntry[]> {
  const files = await listTree(root, drop);
  const entries = await Promise.all(files.map(async ({ path, name }) => file(`${target}/${name}`, await readFile(path))));
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function listTree(root: string, drop: (path: string) => boolean): Promise<{ path: string; name: string }[]> {
  try {
    const names = await readdir(root, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return files.map((path) => ({ path, name: relative(root, path).replaceAll('\\', '/') })).filter(({ name }) => !drop(name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function isNotNeeded(path: string): boolean {
  // Of lmdb's builds the one for Node-API and glibc is the image's.
  if (path.endsWith('.node')) return !path.endsWith('node.napi.glibc.node');
  return (
    /(^|\/)(src|dependencies|tests?|benchmarks?|docs|assets|util|bin|node_modules|\.[^/]+)\//.test(path) ||
    /(\.(md|[cm]?ts|map|cpp|h|gyp|tgz|cmd|min\.js)|dist\/test\.js|LICENSE)$/.test(path)
  );
}
