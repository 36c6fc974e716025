import { gzip } from 'node:zlib';

/** Smaller answers are not worth the time (upstream's defaultGzipThresholdBytes). */
const THRESHOLD = 128 * 1024;
/** Speed before size, as upstream. */
const LEVEL = 1;

/** Documents that are served again and again (OpenAPI) are compressed once. */
const compressed = new WeakMap<Buffer, Promise<Buffer>>();

/** The compressed bytes, when the client takes them and they are many. Compression happens off the event loop. */
export function gzipped(bytes: Buffer, acceptEncoding: string | string[] | undefined): Promise<Buffer | undefined> | undefined {
  if (bytes.length < THRESHOLD || !acceptEncoding?.includes('gzip')) return undefined;
  const known = compressed.get(bytes);
  if (known) return known;
  const made = new Promise<Buffer>((resolve, reject) => {
    gzip(bytes, { level: LEVEL }, (error, zipped) => (error ? reject(error) : resolve(zipped)));
  });
  compressed.set(bytes, made);
  return made;
}
