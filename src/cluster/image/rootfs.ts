/** Packages to one file tree: what dpkg's maintainer scripts and triggers would have done is done here, as data. */
import { readDebFile } from './deb.ts';
import type { TarEntry } from './deb.ts';
import { DROPPED } from './packages.ts';
import { directory, file, symlink, tarEnd, tarEntry } from './tar-writer.ts';

export interface RootfsSource {
  packages: readonly { name: string; path: string }[];
  /** Come last, and win over a package's file of the same path. */
  extra: readonly TarEntry[];
  /** Called after each package. */
  onPackage?: (done: number, total: number) => void;
  signal: AbortSignal;
}

const READ_AHEAD = 2;

/** Where base-files puts a link since the merge of /usr. */
const MERGED = /^(bin|sbin|lib|lib32|lib64|libx32)(\/|$)/;

/** The tar of the tree, piece by piece; a few packages at a time are in memory. */
export async function* rootfsTar({ packages, extra, onPackage, signal }: RootfsSource): AsyncGenerator<Buffer> {
  const fixes = new Fixes();
  const overridden = new Set(extra.map((entry) => entry.path));
  const directories = new Set<string>();
  const emit = function* (entries: Iterable<TarEntry>): Generator<Buffer> {
    for (const entry of entries) {
      if (entry.type === 'Directory' && directories.has(entry.path)) continue;
      if (entry.type === 'Directory') directories.add(entry.path);
      yield* tarEntry(entry);
    }
  };
  // The next packages are read while this one is written out.
  const ahead: (Promise<TarEntry[]> | undefined)[] = [];
  for (let i = 0; i < packages.length; i++) {
    signal.throwIfAborted();
    for (let next = ahead.length; next < Math.min(i + 1 + READ_AHEAD, packages.length); next++) {
      const entries = unpack(packages[next]!);
      // Each is awaited in its turn; should an earlier one fail, that failure is the one that is told.
      entries.catch(() => undefined);
      ahead[next] = entries;
    }
    const entries = (await ahead[i]!).filter((entry) => !overridden.has(entry.path));
    ahead[i] = undefined;
    for (const entry of entries) fixes.see(entry);
    yield* emit(entries);
    onPackage?.(i + 1, packages.length);
  }
  yield* emit([...fixes.entries(), ...extra]);
  yield tarEnd();
}

/** Whether packages' files at this path stay out of images. */
export function isDropped(path: string): boolean {
  return DROPPED.some((pattern) => pattern.test(path));
}

async function unpack({ name, path }: { name: string; path: string }): Promise<TarEntry[]> {
  const entries = await readDebFile(path, name, isDropped);
  return entries.map((entry) => (name === 'base-files' ? entry : merged(entry)));
}

/** `lib/x` of a package that was not moved yet goes to `usr/lib/x`: a directory must not replace base-files' link. */
function merged(entry: TarEntry): TarEntry {
  const move = (path: string): string => (MERGED.test(path) ? `usr/${path}` : path);
  return { ...entry, path: move(entry.path), ...(entry.type === 'Link' ? { target: move(entry.target!) } : {}) };
}

/** busybox applets that scripts and people in a node shell look for; /usr/sbin for those that they call by that path. */
const APPLETS = [
  'sh',
  'ash',
  'awk',
  'cat',
  'chmod',
  'chown',
  'clear',
  'cp',
  'cut',
  'date',
  'dd',
  'df',
  'dmesg',
  'du',
  'echo',
  'env',
  'false',
  'find',
  'free',
  'grep',
  'gunzip',
  'gzip',
  'head',
  'hostname',
  'id',
  'ip',
  'kill',
  'killall',
  'less',
  'ln',
  'ls',
  'md5sum',
  'mkdir',
  'mkfifo',
  'mknod',
  'more',
  'mount',
  'mv',
  'nc',
  'nproc',
  'nslookup',
  'od',
  'ping',
  'ps',
  'pwd',
  'readlink',
  'realpath',
  'rm',
  'rmdir',
  'sed',
  'seq',
  'sha256sum',
  'sleep',
  'sort',
  'stat',
  'stty',
  'sync',
  'tail',
  'tar',
  'tee',
  'test',
  'timeout',
  'top',
  'touch',
  'tr',
  'true',
  'umount',
  'uname',
  'uniq',
  'vi',
  'wc',
  'wget',
  'which',
  'xargs',
];
const IPTABLES = ['iptables', 'iptables-save', 'iptables-restore', 'ip6tables', 'ip6tables-save', 'ip6tables-restore'];

class Fixes {
  #paths = new Set<string>();
  #authorities: Buffer[] = [];
  #masters = new Map<string, Buffer>();

  see(entry: TarEntry): void {
    this.#paths.add(entry.path);
    if (entry.type !== 'File') return;
    if (entry.path.startsWith('usr/share/ca-certificates/mozilla/') && entry.path.endsWith('.crt')) this.#authorities.push(entry.body);
    if (entry.path === 'usr/share/base-passwd/passwd.master') this.#masters.set('etc/passwd', entry.body);
    if (entry.path === 'usr/share/base-passwd/group.master') this.#masters.set('etc/group', entry.body);
  }

  *entries(): Generator<TarEntry> {
    for (const [path, body] of this.#masters) yield file(path, body);
    if (this.#authorities.length > 0) {
      yield directory('etc/ssl/certs');
      yield file('etc/ssl/certs/ca-certificates.crt', Buffer.concat(this.#authorities.flatMap((body) => [body, Buffer.from('\n')])));
    }
    // update-alternatives does not run.
    if (this.#paths.has('usr/sbin/xtables-nft-multi')) for (const name of IPTABLES) yield symlink(`usr/sbin/${name}`, 'xtables-nft-multi');
    if (this.#paths.has('usr/bin/busybox')) {
      for (const name of APPLETS) if (!this.#paths.has(`usr/bin/${name}`)) yield symlink(`usr/bin/${name}`, 'busybox');
    }
    if (this.#paths.has('usr/bin/busybox') && !this.#paths.has('usr/sbin/ip')) yield symlink('usr/sbin/ip', '../bin/busybox');
  }
}
