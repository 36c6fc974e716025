import { StorageError } from './storage.ts';

/** etcd's --max-request-bytes: what kube-apiserver's users know as the largest object. */
export const MAX_VALUE_BYTES = 1_572_864;
/** The longest key that LMDB takes is 1978 bytes. The API's longest names stay far below. */
export const MAX_KEY_BYTES = 1900;

/** Throws TooLarge for what one of the stores could not hold. */
export function checkSize(key: string, value: Uint8Array, maxKeyBytes: number): void {
  if (key.length > maxKeyBytes / 3 && Buffer.byteLength(key) > maxKeyBytes) throw new StorageError('TooLarge', 'key is too long');
  if (value.byteLength > MAX_VALUE_BYTES) throw new StorageError('TooLarge', 'request is too large');
}
