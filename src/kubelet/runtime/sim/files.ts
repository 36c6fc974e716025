/**
 * What a modelled container sees as its file system: the image's read-only files, what the container wrote over them (in memory, gone
 * with the container), and its mounts, which are real files and folders of this machine.
 */
import { appendFile, chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../../../lib/errors.ts';
import type { ContainerMount } from '../runtime.ts';

export interface FileInfo {
  type: 'file' | 'directory';
  size: number;
  /** Permission bits. */
  mode: number;
  /** Milliseconds since the epoch. */
  modifiedAt: number;
}

/** Paths are absolute and normal: no `..`, no slash at the end. */
export interface ContainerFiles {
  /** Undefined when there is nothing by this name. */
  stat(file: string): Promise<FileInfo | undefined>;
  read(file: string): Promise<Buffer>;
  write(file: string, data: string | Buffer, options?: { append?: boolean; mode?: number }): Promise<void>;
  /** Names in a folder, sorted. */
  list(folder: string): Promise<string[]>;
  makeFolder(folder: string, options?: { parents?: boolean }): Promise<void>;
  remove(file: string, options?: { recursive?: boolean }): Promise<void>;
  move(from: string, to: string): Promise<void>;
  chmod(file: string, mode: number): Promise<void>;
  touch(file: string, at: number): Promise<void>;
  link(target: string, file: string): Promise<void>;
  /** Whether writing there would be allowed. */
  writable(file: string): boolean;
}

/** With the words of strerror(3), as programs print them. */
export class FileError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'FileError';
    this.code = code;
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EEXIST: 'File exists',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ENOTEMPTY: 'Directory not empty',
  ENOSPC: 'No space left on device',
  EBUSY: 'Device or resource busy',
  EXDEV: 'Invalid cross-device link',
};

function failure(code: string, cause?: unknown): FileError {
  return new FileError(code, WORDS[code] ?? code, { cause });
}

export interface FilesOptions {
  /** The image's, shared by all of its containers. */
  image: Readonly<Record<string, string>>;
  /** This container's own, over the image's. */
  own: Readonly<Record<string, string>>;
  mounts: readonly ContainerMount[];
  readonlyRootfs: boolean;
  /** Of the image's files; milliseconds since the epoch. */
  bornAt: number;
  now(): number;
}

export function createContainerFiles(options: FilesOptions): ContainerFiles {
  return new LayeredFiles(options);
}

interface Entry {
  /** Undefined for a folder. */
  data?: Buffer;
  mode: number;
  modifiedAt: number;
}

interface HostPlace {
  hostPath: string;
  readonly: boolean;
}

/** Folders that every image has, beside those of its files. */
const FOLDERS = [
  '/',
  '/bin',
  '/dev',
  '/etc',
  '/home',
  '/proc',
  '/root',
  '/run',
  '/sbin',
  '/sys',
  '/tmp',
  '/usr',
  '/usr/bin',
  '/usr/share',
  '/var',
  '/var/log',
  '/var/run',
  '/var/tmp',
];
const DEVICES: Readonly<Record<string, Buffer>> = { '/dev/null': Buffer.alloc(0), '/dev/zero': Buffer.alloc(64 * 1024) };

class LayeredFiles implements ContainerFiles {
  readonly #options: FilesOptions;
  /** Longest first, so that the innermost mount answers. */
  readonly #mounts: readonly ContainerMount[];
  /** What was written; `null` hides what the image has. Made by the first write. */
  #upper: Map<string, Entry | null> | undefined;

  constructor(options: FilesOptions) {
    this.#options = options;
    this.#mounts = options.mounts.toSorted((a, b) => b.containerPath.length - a.containerPath.length);
  }

  async stat(file: string): Promise<FileInfo | undefined> {
    const host = this.#hostPlace(file);
    if (host) return hostStat(host.hostPath);
    const entry = this.#entry(file);
    if (entry)
      return { type: entry.data ? 'file' : 'directory', size: entry.data?.length ?? 4096, mode: entry.mode, modifiedAt: entry.modifiedAt };
    return this.#hasInside(file) ? { type: 'directory', size: 4096, mode: 0o755, modifiedAt: this.#options.bornAt } : undefined;
  }

  async read(file: string): Promise<Buffer> {
    const host = this.#hostPlace(file);
    if (host) return onHost(() => readFile(host.hostPath));
    const entry = this.#entry(file);
    if (entry?.data) return entry.data;
    throw failure(entry || this.#hasInside(file) ? 'EISDIR' : 'ENOENT');
  }

  async write(file: string, data: string | Buffer, { append = false, mode = 0o644 } = {}): Promise<void> {
    if (file in DEVICES) return;
    const host = this.#writablePlace(file);
    if (host) return onHost(() => (append ? appendFile(host.hostPath, data) : writeFile(host.hostPath, data)));
    const before = this.#entry(file);
    if ((before && !before.data) || (!before && this.#hasInside(file))) throw failure('EISDIR');
    await this.#requireFolder(path.posix.dirname(file));
    const added = Buffer.from(data);
    this.#put(file, {
      data: append && before?.data ? Buffer.concat([before.data, added]) : added,
      mode: before?.mode ?? mode,
      modifiedAt: this.#now(),
    });
  }

  async list(folder: string): Promise<string[]> {
    const host = this.#hostPlace(folder);
    const names = new Set(host ? await onHost(() => readdir(host.hostPath)) : []);
    if (!host) {
      const info = await this.stat(folder);
      if (!info) throw failure('ENOENT');
      if (info.type === 'file') throw failure('ENOTDIR');
    }
    // A mount hides what the image has below it; only further mounts show.
    for (const name of namesIn(folder, host ? this.#mountPoints() : this.#allPaths())) names.add(name);
    return [...names].toSorted();
  }

  async makeFolder(folder: string, { parents = false } = {}): Promise<void> {
    const known = await this.stat(folder);
    if (known && parents && known.type === 'directory') return;
    if (known) throw failure('EEXIST');
    const parent = path.posix.dirname(folder);
    if (parents) await this.makeFolder(parent, { parents });
    else await this.#requireFolder(parent);
    const host = this.#writablePlace(folder);
    if (host) await onHost(() => mkdir(host.hostPath));
    else this.#put(folder, { mode: 0o755, modifiedAt: this.#now() });
  }

  async remove(file: string, { recursive = false } = {}): Promise<void> {
    const info = await this.stat(file);
    if (!info) throw failure('ENOENT');
    if (this.#mounts.some((mount) => mount.containerPath === file)) throw failure('EBUSY');
    const host = this.#writablePlace(file);
    if (info.type === 'directory' && !recursive) throw failure('EISDIR');
    if (host) return onHost(() => rm(host.hostPath, { recursive }));
    for (const name of this.#allPaths()) if (name.startsWith(`${file}/`)) this.#hide(name);
    this.#hide(file);
  }

  async move(from: string, to: string): Promise<void> {
    const [source, target] = [this.#writablePlace(from), this.#writablePlace(to)];
    if (source && target) return onHost(() => rename(source.hostPath, target.hostPath));
    const info = await this.stat(from);
    if (!info) throw failure('ENOENT');
    if (info.type === 'directory') {
      await this.makeFolder(to, { parents: true });
      for (const name of await this.list(from)) await this.move(path.posix.join(from, name), path.posix.join(to, name));
    } else {
      await this.write(to, await this.read(from));
    }
    await this.remove(from, { recursive: true });
  }

  async chmod(file: string, mode: number): Promise<void> {
    const host = this.#writablePlace(file);
    if (host) return onHost(() => chmod(host.hostPath, mode));
    const entry = this.#entry(file);
    if (!entry && !this.#hasInside(file)) throw failure('ENOENT');
    this.#put(file, { ...(entry ?? { modifiedAt: this.#now() }), mode });
  }

  async touch(file: string, at: number): Promise<void> {
    if (!(await this.stat(file))) return this.write(file, '');
    const host = this.#writablePlace(file);
    if (host) return onHost(() => utimes(host.hostPath, at / 1000, at / 1000));
    const entry = this.#entry(file);
    if (entry) this.#put(file, { ...entry, modifiedAt: at });
  }

  async link(target: string, file: string): Promise<void> {
    const host = this.#writablePlace(file);
    if (host) return onHost(() => symlink(target, host.hostPath));
    // The layer in memory has no links: a copy reads the same until one of the two changes.
    return this.write(file, await this.read(path.posix.resolve(path.posix.dirname(file), target)));
  }

  writable(file: string): boolean {
    const host = this.#hostPlace(file);
    return host ? !host.readonly : !this.#options.readonlyRootfs;
  }

  #hostPlace(file: string): HostPlace | undefined {
    for (const { containerPath, hostPath, readonly } of this.#mounts) {
      if (file === containerPath) return { hostPath, readonly };
      const folder = containerPath === '/' ? '/' : `${containerPath}/`;
      if (file.startsWith(folder)) return { hostPath: path.join(hostPath, file.slice(folder.length)), readonly };
    }
    return undefined;
  }

  /** Undefined for what is in memory. Throws EROFS. */
  #writablePlace(file: string): HostPlace | undefined {
    if (!this.writable(file)) throw failure('EROFS');
    return this.#hostPlace(file);
  }

  #entry(file: string): Entry | undefined {
    const upper = this.#upper?.get(file);
    if (upper !== undefined) return upper ?? undefined;
    const text = this.#options.own[file] ?? this.#options.image[file];
    if (text !== undefined) return { data: Buffer.from(text), mode: 0o644, modifiedAt: this.#options.bornAt };
    if (file in DEVICES) return { data: DEVICES[file]!, mode: 0o666, modifiedAt: this.#options.bornAt };
    return FOLDERS.includes(file)
      ? { mode: file === '/tmp' || file === '/var/tmp' ? 0o777 : 0o755, modifiedAt: this.#options.bornAt }
      : undefined;
  }

  *#allPaths(): Generator<string> {
    for (const [name, entry] of this.#upper ?? []) if (entry) yield name;
    for (const name of [...Object.keys(this.#options.image), ...Object.keys(this.#options.own)])
      if (this.#upper?.get(name) !== null) yield name;
    for (const name of [...FOLDERS, ...Object.keys(DEVICES)]) if (this.#upper?.get(name) !== null) yield name;
    yield* this.#mountPoints();
  }

  #mountPoints(): string[] {
    return this.#mounts.map(({ containerPath }) => containerPath);
  }

  #hasInside(folder: string): boolean {
    const prefix = folder === '/' ? '/' : `${folder}/`;
    for (const name of this.#allPaths()) if (name.startsWith(prefix)) return true;
    return false;
  }

  async #requireFolder(folder: string): Promise<void> {
    const info = await this.stat(folder);
    if (!info) throw failure('ENOENT');
    if (info.type !== 'directory') throw failure('ENOTDIR');
  }

  #put(file: string, entry: Entry): void {
    this.#upper ??= new Map();
    this.#upper.set(file, entry);
  }

  #hide(file: string): void {
    this.#upper ??= new Map();
    this.#upper.set(file, null);
  }

  #now(): number {
    return this.#options.now();
  }
}

/** What stands directly in a folder, of all these paths. */
function namesIn(folder: string, paths: Iterable<string>): Set<string> {
  const prefix = folder === '/' ? '/' : `${folder}/`;
  const names = new Set<string>();
  for (const name of paths) if (name.startsWith(prefix) && name !== prefix) names.add(name.slice(prefix.length).split('/')[0]!);
  return names;
}

async function hostStat(file: string): Promise<FileInfo | undefined> {
  try {
    const info = await stat(file);
    return { type: info.isDirectory() ? 'directory' : 'file', size: info.size, mode: info.mode & 0o7777, modifiedAt: info.mtimeMs };
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return undefined;
    throw failure(errorCode(error) ?? 'EIO', error);
  }
}

async function onHost<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw failure(errorCode(error) ?? 'EIO', error);
  }
}
