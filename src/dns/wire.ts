/** Messages as bytes (RFC 1035, RFC 6891), through dns-packet. The only file that imports it for more than types. */
import { type Answer, decode, encode, type DecodedPacket, type Packet } from 'dns-packet';
import { canonicalName, type Query, RCODES, type Response } from './message.ts';

/** A client that says nothing of EDNS takes so much by UDP. */
const PLAIN_UDP_BYTES = 512;
/** What we offer and take at most; larger datagrams are often cut on the way (DNS flag day 2020 says 1232 for the Internet; in a cluster more is safe). */
const EDNS_BYTES = 4096;
const MAX_TCP_BYTES = 65_535;
const HEADER_BYTES = 12;
const FLAGS = {
  response: 1 << 15,
  authoritative: 1 << 10,
  truncated: 1 << 9,
  recursionDesired: 1 << 8,
  recursionAvailable: 1 << 7,
  checkingDisabled: 1 << 4,
};

/** A question as it came, with what its answer has to repeat. */
export interface WireQuery {
  query: Query;
  id: number;
  flags: number;
  /** The question section byte for byte: resolvers compare the case of its letters (0x20). */
  question: Buffer;
  usesEdns: boolean;
  maxBytes: number;
}

/** The question of a message, an answer that refuses it, or undefined where the message deserves none. */
export function decodeQuery(bytes: Buffer, from: { client: string; protocol: 'udp' | 'tcp' }): WireQuery | { refusal: Buffer } | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(2) & FLAGS.response) return undefined;
  let packet: DecodedPacket;
  try {
    packet = decode(bytes);
  } catch (error) {
    // Every complaint of dns-packet about what it reads is an Error; the sender is told that its message makes no sense.
    if (error instanceof Error) return { refusal: bareResponse(bytes, RCODES.FORMERR) };
    throw error;
  }
  const [question, ...more] = packet.questions ?? [];
  if (((packet.flags ?? 0) >> 11) & 0xf) return { refusal: bareResponse(bytes, RCODES.NOTIMP) };
  if (!question || more.length > 0) return { refusal: bareResponse(bytes, RCODES.FORMERR) };
  if ((question.class ?? 'IN') !== 'IN') return { refusal: bareResponse(bytes, RCODES.REFUSED) };
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const offered = opt ? Math.max(PLAIN_UDP_BYTES, Math.min(opt.udpPayloadSize, EDNS_BYTES)) : PLAIN_UDP_BYTES;
  return {
    query: { name: canonicalName(question.name), type: question.type, ...from, dnssecOk: opt?.flag_do ?? false },
    id: packet.id ?? 0,
    flags: packet.flags ?? 0,
    question: bytes.subarray(HEADER_BYTES, questionEnd(bytes)),
    usesEdns: opt !== undefined,
    maxBytes: from.protocol === 'tcp' ? MAX_TCP_BYTES : offered,
  };
}

/** The answer's bytes. What does not fit is left out and the TC bit says so: the client comes again by TCP. */
export function encodeResponse(wire: WireQuery, response: Response): Buffer {
  const { query, question } = wire;
  const room = wire.maxBytes - HEADER_BYTES - question.length - (wire.usesEdns ? OPT_BYTES.length : 0);
  const sections = { answers: [] as Buffer[], authorities: [] as Buffer[], additionals: [] as Buffer[] };
  let used = 0;
  let truncated = false;
  for (const section of ['answers', 'authorities', 'additionals'] as const) {
    for (const record of response[section]) {
      if (record.type === 'OPT' || truncated) continue;
      const bytes = encodeRecord(record, query.name);
      // Additionals are a courtesy: leaving one out loses nothing that was asked for (RFC 2181, 9).
      if (used + bytes.length > room) truncated = section !== 'additionals';
      else {
        used += bytes.length;
        sections[section].push(bytes);
      }
    }
  }
  const header = Buffer.alloc(HEADER_BYTES);
  const repeated = wire.flags & (FLAGS.recursionDesired | FLAGS.checkingDisabled);
  const own =
    FLAGS.response | FLAGS.recursionAvailable | (response.authoritative ? FLAGS.authoritative : 0) | (truncated ? FLAGS.truncated : 0);
  header.writeUInt16BE(wire.id, 0);
  header.writeUInt16BE(repeated | own | (response.rcode & 0xf), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(sections.answers.length, 6);
  header.writeUInt16BE(sections.authorities.length, 8);
  header.writeUInt16BE(sections.additionals.length + (wire.usesEdns ? 1 : 0), 10);
  return Buffer.concat([
    header,
    question,
    ...sections.answers,
    ...sections.authorities,
    ...sections.additionals,
    ...(wire.usesEdns ? [OPT_BYTES] : []),
  ]);
}

/** A question for another server, with room for a large answer. */
export function encodeQuestion(id: number, { name, type, dnssecOk }: Query): Buffer {
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssecOk ? 1 << 15 : 0,
    flag_do: dnssecOk,
    options: [],
  };
  return encode({
    type: 'query',
    id,
    flags: FLAGS.recursionDesired,
    questions: [{ type, name: name || '.', class: 'IN' }],
    additionals: [opt],
  });
}

/** Another server's answer to that question; throws where it is none. `truncated` asks for TCP. */
export function decodeAnswer(bytes: Buffer, id: number, query: Query): { response: Response; truncated: boolean } {
  const packet = decode(bytes);
  const question = packet.questions?.[0];
  if (packet.id !== id || packet.type !== 'response') throw new Error('the answer belongs to another question');
  if (question && (canonicalName(question.name) !== query.name || question.type !== query.type))
    throw new Error('the answer belongs to another question');
  const { answers = [], authorities = [], additionals = [] } = packet;
  const rcode = (packet.flags ?? 0) & 0xf;
  return {
    response: { rcode, authoritative: packet.flag_aa, answers, authorities, additionals: additionals.filter(({ type }) => type !== 'OPT') },
    truncated: packet.flag_tc,
  };
}

/** A message with TCP's length in front (RFC 1035, 4.2.2). */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Takes messages out of a TCP stream; returns what of the bytes is not a whole message yet. */
export function takeFrames(bytes: Buffer, each: (message: Buffer) => void): Buffer {
  let rest = bytes;
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    const end = 2 + rest.readUInt16BE(0);
    each(rest.subarray(2, end));
    rest = rest.subarray(end);
  }
  return rest;
}

const OPT_BYTES = recordsOf({
  additionals: [
    { type: 'OPT', name: '.', udpPayloadSize: EDNS_BYTES, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
  ],
});
/** A pointer to the question's name, which begins right after the header (RFC 1035, 4.1.4). */
const QUESTION_NAME = Buffer.from([0xc0, HEADER_BYTES]);

/**
 * dns-packet writes each name in full. A record of the name that was asked for gets the two bytes of a pointer instead, which keeps ten
 * addresses of a Service in a datagram of 512 bytes: the C library of many images can take no more.
 */
function encodeRecord(record: Answer, asked: string): Buffer {
  if (asked === '' || canonicalName(record.name) !== asked) return recordsOf({ answers: [record] });
  return Buffer.concat([QUESTION_NAME, recordsOf({ answers: [{ ...record, name: '.' }] }).subarray(1)]);
}

function recordsOf(packet: Packet): Buffer {
  return encode({ type: 'response', ...packet }).subarray(HEADER_BYTES);
}

function bareResponse(bytes: Buffer, rcode: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(bytes.readUInt16BE(0), 0);
  header.writeUInt16BE(FLAGS.response | (bytes.readUInt16BE(2) & (FLAGS.recursionDesired | (0xf << 11))) | rcode, 2);
  return header;
}

/** Where the (one, uncompressed) question ends. */
function questionEnd(bytes: Buffer): number {
  let offset = HEADER_BYTES;
  while (offset < bytes.length && bytes[offset] !== 0) offset += bytes[offset]! + 1;
  return offset + 1 + 4;
}
