import { Header, Pax } from 'tar';
import type { TarEntry } from './deb.ts';

const BLOCK = 512;
/** One fixed time for every file, so that the same files give the same bytes. */
const EPOCH = new Date(Date.UTC(2026, 0, 1));

/** The bytes of one entry, owned by root. */
export function tarEntry(entry: TarEntry): Buffer[] {
  const path = entry.type === 'Directory' ? `${entry.path}/` : entry.path;
  const data = {
    path,
    type: entry.type,
    mode: entry.mode & 0o7777,
    uid: 0,
    gid: 0,
    uname: 'root',
    gname: 'root',
    size: entry.type === 'File' ? entry.body.length : 0,
    mtime: EPOCH,
    ...(entry.target === undefined ? {} : { linkpath: entry.target }),
  };
  const header = new Header(data);
  const parts: Buffer[] = [];
  if (header.encode()) parts.push(new Pax(data).encode());
  parts.push(header.block!);
  if (entry.type === 'File' && entry.body.length > 0) {
    parts.push(entry.body);
    const rest = entry.body.length % BLOCK;
    if (rest > 0) parts.push(Buffer.alloc(BLOCK - rest));
  }
  return parts;
}

/** The two empty blocks at a tar's end. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** A whole small tar in memory. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(tarEntry), tarEnd()]);
}

export function file(path: string, body: string | Buffer, mode = 0o644): TarEntry {
  return { path, type: 'File', mode, body: typeof body === 'string' ? Buffer.from(body) : body };
}

export function directory(path: string, mode = 0o755): TarEntry {
  return { path, type: 'Directory', mode, body: Buffer.alloc(0) };
}

export function symlink(path: string, target: string): TarEntry {
  return { path, type: 'SymbolicLink', mode: 0o777, body: Buffer.alloc(0), target };
}
