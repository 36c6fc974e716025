/** Reads image archives (docker save and OCI layout) at random: what files are in the tar and where, and which images they make. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';

export interface ArchiveEntry {
  offset: number;
  size: number;
}

export interface Archive {
  entries: ReadonlyMap<string, ArchiveEntry>;
  /** Chunks of one entry. */
  read(entry: ArchiveEntry): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

/** A blob of an image: bytes in the archive, or made by us. */
export interface Blob {
  digest: string;
  size: number;
  mediaType: string;
  content: ArchiveEntry | Buffer;
}

export interface ArchivedImage {
  /** As they stand in the archive; `nginx:latest` or fully qualified. */
  names: string[];
  manifest: Blob;
  config: Blob;
  layers: Blob[];
  /** sha256 of each layer's uncompressed tar. */
  diffIds: string[];
}

const BLOCK = 512;
const READ_BYTES = 1024 * 1024;
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';

/** Throws when the file is no uncompressed tar. */
export async function openArchive(file: string): Promise<Archive> {
  const handle = await open(file, 'r');
  try {
    const entries = await indexTar(handle);
    return { entries, read: (entry) => readRange(handle, entry), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The images of an archive for this machine's architecture (`amd64`, `arm64`). */
export async function archivedImages(archive: Archive, architecture: string): Promise<ArchivedImage[]> {
  const dockerManifest = archive.entries.get('manifest.json');
  if (dockerManifest) {
    const items = await readJson<{ Config: string; RepoTags: string[] | null; Layers: string[] }[]>(archive, dockerManifest);
    return Promise.all(items.map((item) => dockerImage(archive, item)));
  }
  const index = archive.entries.get('index.json');
  if (!index) throw new Error('not an image archive: neither manifest.json (docker save) nor index.json (OCI layout) is in it');
  return ociImages(archive, await readJson<OciIndex>(archive, index), architecture, []);
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: { architecture: string; os: string };
}

interface OciIndex {
  manifests: Descriptor[];
}

interface ImageConfig {
  rootfs: { diff_ids: string[] };
}

async function ociImages(archive: Archive, index: OciIndex, architecture: string, inherited: string[]): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const descriptor of index.manifests) {
    const { annotations = {}, platform } = descriptor;
    const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
    const names = name ? [name] : inherited;
    if (platform && platform.os !== 'unknown' && (platform.architecture !== architecture || platform.os !== 'linux')) continue;
    if (annotations['vnd.docker.reference.type'] === 'attestation-manifest') continue;
    const entry = blobEntry(archive, descriptor.digest);
    if (/index|manifest\.list/.test(descriptor.mediaType)) {
      images.push(...(await ociImages(archive, await readJson<OciIndex>(archive, entry), architecture, names)));
    } else {
      images.push(await ociImage(archive, descriptor, names));
    }
  }
  return images;
}

async function ociImage(archive: Archive, descriptor: Descriptor, names: string[]): Promise<ArchivedImage> {
  const blob = (one: Descriptor): Blob => ({
    digest: one.digest,
    size: one.size,
    mediaType: one.mediaType,
    content: blobEntry(archive, one.digest),
  });
  const manifest = await readJson<{ config: Descriptor; layers: Descriptor[] }>(archive, blobEntry(archive, descriptor.digest));
  const config = await readJson<ImageConfig>(archive, blobEntry(archive, manifest.config.digest));
  return {
    names,
    manifest: blob(descriptor),
    config: blob(manifest.config),
    layers: manifest.layers.map(blob),
    diffIds: config.rootfs.diff_ids,
  };
}

async function dockerImage(
  archive: Archive,
  item: { Config: string; RepoTags: string[] | null; Layers: string[] },
): Promise<ArchivedImage> {
  const configEntry = entryOf(archive, item.Config);
  const config = await blobOf(archive, configEntry, DOCKER_CONFIG);
  const layers = await Promise.all(item.Layers.map((layer) => layerBlob(archive, entryOf(archive, layer))));
  const describe = ({ mediaType, size, digest }: Blob): Descriptor => ({ mediaType, size, digest });
  const content = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: DOCKER_MANIFEST, config: describe(config), layers: layers.map(describe) }),
  );
  const manifest: Blob = { digest: sha256(content), size: content.length, mediaType: DOCKER_MANIFEST, content };
  const { rootfs } = await readJson<ImageConfig>(archive, configEntry);
  return { names: item.RepoTags ?? [], manifest, config, layers, diffIds: rootfs.diff_ids };
}

async function layerBlob(archive: Archive, entry: ArchiveEntry): Promise<Blob> {
  let gzip = false;
  for await (const head of archive.read({ offset: entry.offset, size: Math.min(2, entry.size) }))
    gzip = head[0] === 0x1f && head[1] === 0x8b;
  return blobOf(archive, entry, gzip ? `${DOCKER_LAYER}.gzip` : DOCKER_LAYER);
}

async function blobOf(archive: Archive, entry: ArchiveEntry, mediaType: string): Promise<Blob> {
  const hash = createHash('sha256');
  for await (const chunk of archive.read(entry)) hash.update(chunk);
  return { digest: `sha256:${hash.digest('hex')}`, size: entry.size, mediaType, content: entry };
}

function entryOf(archive: Archive, name: string): ArchiveEntry {
  const entry = archive.entries.get(path.posix.normalize(name));
  if (!entry) throw new Error(`image archive is incomplete: ${name} is missing`);
  return entry;
}

const blobEntry = (archive: Archive, digest: string): ArchiveEntry => entryOf(archive, `blobs/${digest.replace(':', '/')}`);
const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

async function readJson<T>(archive: Archive, entry: ArchiveEntry): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of archive.read(entry)) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as T;
}

async function* readRange(handle: FileHandle, { offset, size }: ArchiveEntry): AsyncIterable<Buffer> {
  for (let at = 0; at < size;) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size - at));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset + at);
    if (bytesRead === 0) throw new Error('image archive ends too early');
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Names, offsets and sizes of a tar's files. Old `docker save` writes repeated layers as symbolic links: they are followed. */
async function indexTar(handle: FileHandle): Promise<Map<string, ArchiveEntry>> {
  const entries = new Map<string, ArchiveEntry>();
  const links: { name: string; target: string }[] = [];
  const header = Buffer.alloc(BLOCK);
  let longName: string | undefined;
  for (let at = 0; ;) {
    const { bytesRead } = await handle.read(header, 0, BLOCK, at);
    if (bytesRead < BLOCK || header[0] === 0) break;
    if (!isTarHeader(header)) throw new Error('not a tar archive');
    const size = tarSize(header);
    const type = String.fromCharCode(header[156]!);
    const name = path.posix.normalize(longName ?? tarName(header));
    longName = undefined;
    if (type === 'L' || type === 'x') longName = await extendedName(handle, type, { offset: at + BLOCK, size });
    else if (type === '0' || type === '\0') entries.set(name, { offset: at + BLOCK, size });
    else if (type === '2') links.push({ name, target: path.posix.join(path.posix.dirname(name), text(header, 157, 100)) });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  for (const { name, target } of links) {
    const entry = entries.get(target);
    if (entry) entries.set(name, entry);
  }
  return entries;
}

const text = (header: Buffer, start: number, length: number): string =>
  header.toString('utf8', start, start + length).replace(/\0.*$/s, '');

function isTarHeader(header: Buffer): boolean {
  const stored = Number.parseInt(text(header, 148, 8).trim(), 8);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum === stored;
}

function tarName(header: Buffer): string {
  const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
  return prefix ? `${prefix}/${text(header, 0, 100)}` : text(header, 0, 100);
}

/** Octal, or base 256 when the first bit is set (files of 8 GiB and more). */
function tarSize(header: Buffer): number {
  if (header[124]! & 0x80) return Number(header.readBigUInt64BE(128));
  return Number.parseInt(text(header, 124, 12).trim() || '0', 8);
}

async function extendedName(handle: FileHandle, type: string, entry: ArchiveEntry): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  for await (const chunk of readRange(handle, entry)) chunks.push(chunk);
  const content = Buffer.concat(chunks).toString('utf8');
  if (type === 'L') return content.replace(/\0.*$/s, '');
  return /(?:^|\n)\d+ path=([^\n]*)\n/.exec(content)?.[1];
}
