/**
 * One row of the revision log. `previous` is the revision of the row that this one replaced (0: none), so that a key's past is a chain
 * of rows that leads back from its newest one, and no second index by key and revision is needed.
 *
 *     byte 0      1 put, 2 deletion
 *     bytes 1-6   createRevision, big-endian
 *     bytes 7-12  previous
 *     bytes 13-14 length of the key, then the key, then the value up to the end
 */
export interface LogRecord {
  type: 'put' | 'delete';
  key: string;
  value: Uint8Array;
  createRevision: number;
  previous: number;
}

const HEADER_BYTES = 15;
const PUT = 1;
const DELETION = 2;

export function encodeRecord(record: LogRecord): Buffer {
  const keyBytes = Buffer.byteLength(record.key);
  const buffer = Buffer.allocUnsafeSlow(HEADER_BYTES + keyBytes + record.value.byteLength);
  buffer[0] = record.type === 'put' ? PUT : DELETION;
  buffer.writeUIntBE(record.createRevision, 1, 6);
  buffer.writeUIntBE(record.previous, 7, 6);
  buffer.writeUInt16BE(keyBytes, 13);
  buffer.write(record.key, HEADER_BYTES, 'utf8');
  buffer.set(record.value, HEADER_BYTES + keyBytes);
  return buffer;
}

/** The value shares memory with `buffer`. */
export function decodeRecord(buffer: Buffer): LogRecord {
  const keyEnd = HEADER_BYTES + buffer.readUInt16BE(13);
  return {
    type: buffer[0] === DELETION ? 'delete' : 'put',
    key: buffer.toString('utf8', HEADER_BYTES, keyEnd),
    value: buffer.subarray(keyEnd),
    createRevision: buffer.readUIntBE(1, 6),
    previous: buffer.readUIntBE(7, 6),
  };
}

export function encodeRevision(revision: number): Buffer {
  const buffer = Buffer.allocUnsafe(6);
  buffer.writeUIntBE(revision, 0, 6);
  return buffer;
}

export function decodeRevision(buffer: Buffer): number {
  return buffer.readUIntBE(0, 6);
}
