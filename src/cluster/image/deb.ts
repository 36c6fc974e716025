/** Debian packages taken apart: an `ar` archive with a compressed tar inside (deb(5)). No dpkg and no root needed. */
import { spawn } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Parser } from 'tar';
import type { ReadEntry } from 'tar';
import { failure } from '../reasons.ts';

/** One entry of a tar, whole. Paths carry no leading `./` and no trailing slash. */
export interface TarEntry {
  path: string;
  type: 'File' | 'Directory' | 'SymbolicLink' | 'Link';
  mode: number;
  body: Buffer;
  /** For links; a hard link's target is a path in the archive. */
  target?: string;
}

/** The files that a package installs, without those that `drop` names. Throws IMAGE_BUILD for what is not a package. */
export async function readDeb(deb: Buffer, name: string, drop: (path: string) => boolean): Promise<TarEntry[]> {
  const member = dataMember(deb, name);
  return readTar(await decompressed(member.data, member.suffix, name), drop);
}

/**
 * As readDeb, for a file. Where dpkg-deb is at hand, which is wherever apt is, it decompresses: natively, and on another core than this process.
 */
export async function readDebFile(path: string, name: string, drop: (path: string) => boolean): Promise<TarEntry[]> {
  if (!(await hasDpkg())) return readDeb(await readFile(path), name, drop);
  const child = spawn(DPKG_DEB, ['--fsys-tarfile', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
  const [entries, code] = await Promise.all([readTar(child.stdout, drop), ended]);
  if (code !== 0) throw failure('IMAGE_BUILD', `${name} is not a Debian package that dpkg-deb can read`);
  return entries;
}

const DPKG_DEB = '/usr/bin/dpkg-deb';
let dpkg: Promise<boolean> | undefined;

function hasDpkg(): Promise<boolean> {
  dpkg ??= access(DPKG_DEB).then(
    () => true,
    () => false,
  );
  return dpkg;
}

/** All entries of a tar stream, in their order. */
export async function readTar(stream: Readable, drop: (path: string) => boolean = () => false): Promise<TarEntry[]> {
  const entries: Promise<TarEntry>[] = [];
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      const path = cleanPath(entry.path);
      if (path === '' || drop(path) || !isKept(entry.type)) return entry.resume();
      entries.push(collect(entry, path));
    },
  });
  await new Promise<void>((resolve, reject) => {
    parser.on('end', resolve);
    parser.on('error', reject);
    stream.on('error', reject);
    stream.on('data', (chunk: Buffer) => {
      if (parser.write(chunk)) return;
      stream.pause();
      parser.once('drain', () => stream.resume());
    });
    stream.on('end', () => void parser.end());
  });
  return Promise.all(entries);
}

function dataMember(deb: Buffer, name: string): { data: Buffer; suffix: string } {
  if (deb.subarray(0, 8).toString('latin1') !== '!<arch>\n') throw failure('IMAGE_BUILD', `${name} is not a Debian package`);
  let at = 8;
  while (at + 60 <= deb.length) {
    const member = deb
      .toString('latin1', at, at + 16)
      .trim()
      .replace(/\/$/, '');
    const size = Number(deb.toString('latin1', at + 48, at + 58).trim());
    const body = at + 60;
    if (member.startsWith('data.tar')) return { data: deb.subarray(body, body + size), suffix: member.slice('data.tar'.length) };
    // Members begin at even offsets.
    at = body + size + (size % 2);
  }
  throw failure('IMAGE_BUILD', `${name} has no data.tar`);
}

async function decompressed(data: Buffer, suffix: string, name: string): Promise<Readable> {
  const source = Readable.from([data]);
  if (suffix === '') return source;
  if (suffix === '.gz') return source.pipe(createGunzip());
  if (suffix === '.zst') return source.pipe(createZstdDecompress());
  if (suffix !== '.xz') throw failure('IMAGE_BUILD', `${name}: data.tar${suffix} is compressed in a way that is not known here`);
  const { default: xz } = await import('xz-decompress');
  // The library types its streams by the DOM's names; they are the same classes.
  const web = new xz.XzReadableStream(Readable.toWeb(source));
  return Readable.fromWeb(web);
}

async function collect(entry: ReadEntry, path: string): Promise<TarEntry> {
  const type = entry.type as TarEntry['type'] | 'OldFile' | 'ContiguousFile';
  const chunks: Buffer[] = [];
  for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
  const made: TarEntry = {
    path,
    type: type === 'OldFile' || type === 'ContiguousFile' ? 'File' : type,
    mode: entry.mode ?? 0o644,
    body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks),
  };
  if (entry.linkpath !== undefined && entry.linkpath !== '') made.target = type === 'Link' ? cleanPath(entry.linkpath) : entry.linkpath;
  return made;
}

function isKept(type: string): boolean {
  return ['File', 'OldFile', 'ContiguousFile', 'Directory', 'SymbolicLink', 'Link'].includes(type);
}

function cleanPath(path: string): string {
  return path
    .replace(/^(\.\/)+|^\.$/, '')
    .replace(/^\/+/, '')
    .replace(/\/+$/, '');
}
