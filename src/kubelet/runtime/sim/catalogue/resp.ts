/** RESP, Redis's wire protocol, version 2. */
import type { Reply } from './redis-store.ts';

/** The next request in the bytes, in either form; undefined when it has not come in full. */
export function decodeRequest(bytes: Buffer): { words: string[]; size: number } | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] === 0x2a) {
    const reply = decodeReply(bytes);
    return reply && { words: (reply.value as string[]).map(String), size: reply.size };
  }
  const end = bytes.indexOf('\n');
  return end < 0 ? undefined : { words: bytes.toString('utf8', 0, end).trim().split(/\s+/).filter(Boolean), size: end + 1 };
}

export function encodeRequest(words: readonly string[]): string {
  return `*${words.length}\r\n${words.map(bulk).join('')}`;
}

export function encodeReply(reply: Reply): string {
  if (reply === null) return '$-1\r\n';
  if (typeof reply === 'number') return `:${reply}\r\n`;
  if (typeof reply === 'string') return bulk(reply);
  if ('status' in reply) return `+${reply.status}\r\n`;
  if ('error' in reply) return `-${reply.error}\r\n`;
  return `*${reply.length}\r\n${reply.map(encodeReply).join('')}`;
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** Undefined when it has not come in full. */
export function decodeReply(bytes: Buffer, from = 0): { value: Reply; size: number } | undefined {
  const end = bytes.indexOf('\r\n', from);
  if (end < 0) return undefined;
  const text = bytes.toString('utf8', from + 1, end);
  const next = end + 2;
  switch (String.fromCharCode(bytes[from]!)) {
    case '+':
      return { value: { status: text }, size: next };
    case '-':
      return { value: { error: text }, size: next };
    case ':':
      return { value: Number(text), size: next };
    case '$': {
      const length = Number(text);
      if (length < 0) return { value: null, size: next };
      return bytes.length < next + length + 2 ? undefined : { value: bytes.toString('utf8', next, next + length), size: next + length + 2 };
    }
    default:
      return decodeArray(bytes, next, Number(text));
  }
}

function decodeArray(bytes: Buffer, from: number, count: number): { value: Reply; size: number } | undefined {
  const items: Reply[] = [];
  let at = from;
  for (let i = 0; i < count; i++) {
    const item = decodeReply(bytes, at);
    if (!item) return undefined;
    items.push(item.value);
    at = item.size;
  }
  return { value: items, size: at };
}
