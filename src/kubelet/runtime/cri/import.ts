import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { normalizeImageName } from '../../images/names.ts';
import { RuntimeError } from '../runtime.ts';
import { archivedImages, openArchive, type Archive, type ArchivedImage, type Blob } from './archive.ts';
import { connectUnix, runtimeError, type Connection } from './connection.ts';
import { CONTAINERD, WRITE_ACTION } from './containerd-messages.ts';

export interface ImportOptions {
  /** Names to give to an image that the archive does not name. */
  names?: readonly string[];
  /** Keeps the image from garbage collection. */
  pinned?: boolean;
  /** Where a stream or a compressed archive is unpacked for a moment; the system's temporary folder unless given. */
  scratchDir?: string;
}

const NAMESPACE = 'k8s.io';
const CHUNK_DEADLINE_MS = 10 * 60_000;

/**
 * Puts the images of a docker-save or OCI archive (tar, also gzipped; a path or a stream) into containerd's store for CRI, without
 * `ctr`. Nothing is unpacked yet: containerd does that when the first container asks. Returns the names, fully qualified.
 * Repeating an import is harmless. Throws RuntimeError for containerd's failures and Error for a bad archive.
 */
export async function importImageArchive(
  socketPath: string,
  source: string | NodeJS.ReadableStream,
  options: ImportOptions = {},
): Promise<string[]> {
  return withPlainTar(source, options, async (file) => {
    const connection = connectUnix(socketPath);
    const archive = await openArchive(file);
    try {
      return await importArchive(connection, archive, options);
    } finally {
      await archive.close();
      connection.close();
    }
  });
}

async function importArchive(connection: Connection, archive: Archive, options: ImportOptions): Promise<string[]> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const images = await archivedImages(archive, architecture);
  const lease = `rockpool-import-${randomUUID()}`;
  const namespace = { 'containerd-namespace': NAMESPACE };
  await connection.call(CONTAINERD.createLease, { id: lease }, { headers: namespace });
  const headers = { ...namespace, 'containerd-lease': lease };
  try {
    const names: string[] = [];
    for (const image of images) names.push(...(await importImage({ connection, archive, headers }, image, options)));
    return names;
  } finally {
    await connection.call(CONTAINERD.deleteLease, { id: lease }, { headers: namespace });
  }
}

interface Import {
  connection: Connection;
  archive: Archive;
  headers: Record<string, string>;
}

async function importImage(into: Import, image: ArchivedImage, options: ImportOptions): Promise<string[]> {
  const names = (image.names.length > 0 ? image.names : (options.names ?? [])).map(normalizeImageName);
  if (names.length === 0) throw new Error('the archive holds an image without a name: give it one');
  await Promise.all([
    writeBlob(into, image.config, {}),
    ...image.layers.map((layer, i) => writeBlob(into, layer, { 'containerd.io/uncompressed': image.diffIds[i] ?? layer.digest })),
  ]);
  await writeBlob(into, image.manifest, manifestLabels(image));
  for (const name of names) await nameImage(into, name, image.manifest, options);
  return names;
}

/** The garbage collector follows these from the manifest to what it is made of. */
function manifestLabels(image: ArchivedImage): Record<string, string> {
  const labels: Record<string, string> = { 'containerd.io/gc.ref.content.config': image.config.digest };
  for (const [i, layer] of image.layers.entries()) labels[`containerd.io/gc.ref.content.l.${i}`] = layer.digest;
  return labels;
}

async function nameImage({ connection, headers }: Import, name: string, manifest: Blob, { pinned }: ImportOptions): Promise<void> {
  const { mediaType, digest, size } = manifest;
  const labels = { 'io.cri-containerd.image': 'managed', ...(pinned ? { 'io.cri-containerd.pinned': 'pinned' } : {}) };
  const image = { name, labels, target: { mediaType, digest, size } };
  try {
    await connection.call(CONTAINERD.createImage, { image }, { headers });
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === 'AlreadyExists')) throw error;
    await connection.call(CONTAINERD.updateImage, { image, updateMask: { paths: ['target', 'labels'] } }, { headers });
  }
}

async function writeBlob(into: Import, blob: Blob, labels: Record<string, string>): Promise<void> {
  const { connection, headers } = into;
  try {
    await connection.call(CONTAINERD.contentInfo, { digest: blob.digest }, { headers });
    return;
  } catch (error) {
    if (!(error instanceof RuntimeError && error.code === 'NotFound')) throw error;
  }
  const stream = connection.duplexStream(CONTAINERD.writeContent, { headers, deadlineMs: CHUNK_DEADLINE_MS });
  const finished = drained(stream);
  const about = { ref: `import-${blob.digest}`, total: blob.size, expected: blob.digest };
  let offset = 0;
  for await (const data of Buffer.isBuffer(blob.content) ? [blob.content] : into.archive.read(blob.content)) {
    await send(stream, { action: WRITE_ACTION.write, ...about, offset, data });
    offset += data.length;
  }
  await send(stream, { action: WRITE_ACTION.commit, ...about, offset, labels });
  stream.end();
  await finished;
}

async function drained(stream: NodeJS.ReadableStream): Promise<void> {
  try {
    for await (const answer of stream) void answer;
  } catch (error) {
    const failure = runtimeError(error as Parameters<typeof runtimeError>[0]);
    if (failure.code !== 'AlreadyExists') throw failure;
  }
}

/** Resolves also when the call has ended meanwhile: its end tells why. */
function send(stream: Writable, request: object): Promise<void> {
  return new Promise((resolve) => void stream.write(request, () => resolve()));
}

/** Archives are read at random, so a stream or a compressed file goes through a temporary plain tar. */
async function withPlainTar<T>(
  source: string | NodeJS.ReadableStream,
  { scratchDir = tmpdir() }: ImportOptions,
  use: (file: string) => Promise<T>,
): Promise<T> {
  if (typeof source === 'string' && !(await isGzip(source))) return use(source);
  const folder = await mkdtemp(path.join(scratchDir, 'image-import-'));
  try {
    const spooled = path.join(folder, 'archive');
    if (typeof source !== 'string') await pipeline(source, (await open(spooled, 'w')).createWriteStream());
    const given = typeof source === 'string' ? source : spooled;
    if (!(await isGzip(given))) return await use(given);
    const plain = path.join(folder, 'archive.tar');
    await pipeline(Readable.from(createReadStream(given)), createGunzip(), (await open(plain, 'w')).createWriteStream());
    return await use(plain);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}
