/** Packages through the machine's own apt, in a private state folder: its mirrors, its proxies and its check of signatures, but none of its installed packages. */
import { access, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { failure } from '../reasons.ts';
import { DEBIAN_RELEASE } from './packages.ts';
import type { DebianArch } from './packages.ts';

export interface DebianPackage {
  name: string;
  version: string;
  sha256: string;
  /** Of the .deb on this machine. */
  path: string;
}

export interface PackageSource {
  /** For people: `apt (MIRROR)`. */
  readonly description: string;
  /** The newest version of each package in the release, fetched and checked. */
  fetch(names: readonly string[], arch: DebianArch, signal: AbortSignal): Promise<DebianPackage[]>;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Package lists younger than this are used as they are. */
const LISTS_FRESH_MS = 3_600_000;

/** apt as a source, or undefined where there is no apt, no mirror of Debian's in its sources, or no key to check signatures with (then the engine's Debian container serves). */
export async function aptSource({ cacheDir, clock, env }: SourceContext): Promise<PackageSource | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    await Promise.all([access(KEYRING), access('/usr/bin/apt-get')]);
  } catch (error) {
    if (error instanceof Error) return undefined;
    throw error;
  }
  const mirror = await configuredMirror();
  if (!mirror) return undefined;
  return {
    description: `apt (${mirror})`,
    fetch: (names, arch, signal) => fetchThroughApt({ dir: join(cacheDir, `apt-${arch}`), mirror, arch, clock, env, signal }, names),
  };
}

export interface SourceContext {
  cacheDir: string;
  clock: Clock;
  env: Readonly<Record<string, string | undefined>>;
}

interface AptRun {
  dir: string;
  mirror: string;
  arch: DebianArch;
  clock: Clock;
  env: SourceContext['env'];
  signal: AbortSignal;
}

async function fetchThroughApt(at: AptRun, names: readonly string[]): Promise<DebianPackage[]> {
  const debs = join(at.dir, 'debs');
  await Promise.all(
    [join(at.dir, 'lists', 'partial'), join(at.dir, 'cache', 'archives', 'partial'), debs].map((dir) => mkdir(dir, { recursive: true })),
  );
  await Promise.all([
    writeFile(join(at.dir, 'status'), ''),
    writeFile(
      join(at.dir, 'debian.sources'),
      `Types: deb\nURIs: ${at.mirror}\nSuites: ${DEBIAN_RELEASE}\nComponents: main\nSigned-By: ${KEYRING}\n`,
    ),
  ]);
  if (!(await listsAreFresh(at))) await apt(at, ['update', '--error-on=any'], at.dir);
  // Not where the files are: apt names only those that it does not find beside itself.
  const wanted = parseUris((await apt(at, ['download', '--print-uris', ...names], at.dir)).stdout);
  const unknown = names.filter((name) => !wanted.some((deb) => deb.name === name));
  if (unknown.length > 0) throw failure('INTERNET_PACKAGES', `Debian ${DEBIAN_RELEASE} at ${at.mirror} has no ${unknown.join(', ')}`);
  const have = new Set(await readdir(debs));
  const missing = wanted.filter((deb) => !have.has(deb.file));
  // apt checks each file against the signed list's SHA-256 before it gives it its name.
  if (missing.length > 0) await apt(at, ['download', ...missing.map((deb) => deb.name)], debs);
  return wanted
    .map(({ file, ...deb }) => ({ ...deb, path: join(debs, file) }))
    .toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
}

async function apt({ dir, arch, env, signal }: AptRun, command: readonly string[], cwd: string): Promise<{ stdout: string }> {
  const options = {
    'Dir::State': dir,
    'Dir::State::status': join(dir, 'status'),
    'Dir::Cache': join(dir, 'cache'),
    'Dir::Etc::sourcelist': join(dir, 'debian.sources'),
    'Dir::Etc::sourceparts': '-',
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  try {
    const { execa } = await import('execa');
    const { stdout } = await execa('apt-get', ['-q', ...flags, ...command], {
      cwd,
      cancelSignal: signal,
      timeout: 600_000,
      env: { ...env, LC_ALL: 'C' },
      extendEnv: false,
    });
    return { stdout };
  } catch (error) {
    signal.throwIfAborted();
    const said =
      error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').slice(-3).join(' ') : errorMessage(error);
    if (/No space left on device/.test(said))
      throw failure('DISK_FULL', 'the disk filled up while packages were fetched', { cause: error });
    throw failure('INTERNET_PACKAGES', `apt-get ${command[0]} failed: ${said}`, { cause: error });
  }
}

/** Lines as `'URI' FILE SIZE SHA256:HEX`; the file is NAME_VERSION_ARCH.deb with `:` of an epoch as `%3a`. */
export function parseUris(text: string): { name: string; version: string; file: string; sha256: string }[] {
  return [...text.matchAll(/^'[^']+' (([^_\s]+)_([^_\s]+)_[^_\s]+\.deb) \d+ SHA256:([0-9a-f]{64})$/gm)].map(
    ([, file, name, version, sha256]) => ({
      name: name!,
      version: decodeURIComponent(version!),
      file: file!,
      sha256: sha256!,
    }),
  );
}

async function listsAreFresh({ dir, clock }: AptRun): Promise<boolean> {
  const lists = await readdir(join(dir, 'lists'));
  const index = lists.find((name) => name.endsWith('_Packages') || name.includes('_Packages.'));
  return index !== undefined && clock.now() - (await stat(join(dir, 'lists', index))).mtimeMs < LISTS_FRESH_MS;
}

/** The Debian mirror that this machine's administrator chose; none on another distribution. */
async function configuredMirror(): Promise<string | undefined> {
  const { execa } = await import('execa');
  const { stdout } = await execa('apt-get', ['indextargets', '--no-release-info', '--format', '$(REPO_URI)', 'Created-By: Packages'], {
    timeout: 10_000,
  });
  return stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
}
