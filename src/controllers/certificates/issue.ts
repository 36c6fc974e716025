import { createHash, createPrivateKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { bitString, childrenOf, encode, fromPem, oid, oidText, readDer, TAG, time, toPem } from './der.ts';
import type { SigningRequest } from './signing-request.ts';

/** Who signs: PEM texts of a certificate authority and its private key. */
export interface Authority {
  caCert: string;
  caKey: string;
}

export interface Wanted {
  /** certificates.k8s.io's names: `client auth`, `digital signature` … */
  usages: readonly string[];
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
  /** 16 random bytes. */
  serial: Buffer;
}

/** The bits of keyUsage (RFC 5280, section 4.2.1.3). */
const KEY_USAGES: Readonly<Record<string, number>> = {
  signing: 0,
  'digital signature': 0,
  'content commitment': 1,
  'key encipherment': 2,
  'data encipherment': 3,
  'key agreement': 4,
  'cert sign': 5,
  'crl sign': 6,
  'encipher only': 7,
  'decipher only': 8,
};

const EXTENDED_KEY_USAGES: Readonly<Record<string, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  's/mime': '1.3.6.1.5.5.7.3.4',
  'ipsec end system': '1.3.6.1.5.5.7.3.5',
  'ipsec tunnel': '1.3.6.1.5.5.7.3.6',
  'ipsec user': '1.3.6.1.5.5.7.3.7',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
  'microsoft sgc': '1.3.6.1.4.1.311.10.3.3',
  'netscape sgc': '2.16.840.1.113730.4.1',
};

/** A certificate for the request's key, subject and alternative names, and for nothing else that it asks for. PEM. Throws Error. */
export function issueCertificate(request: SigningRequest, wanted: Wanted, { caCert, caKey }: Authority): string {
  const authority = partsOf(caCert);
  const key = createPrivateKey(caKey);
  const algorithm = signatureAlgorithm(key);
  const serial = Buffer.from(wanted.serial);
  // Positive, and never shorter than it could be.
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  const notAfter = Math.min(wanted.notAfter, authority.notAfter);
  if (notAfter <= wanted.notBefore) throw new Error('the certificate authority has expired');
  const tbs = encode(
    TAG.sequence,
    encode(0xa0, encode(TAG.integer, Buffer.from([2]))),
    encode(TAG.integer, serial),
    algorithm.der,
    authority.subject,
    encode(TAG.sequence, time(wanted.notBefore), time(notAfter)),
    request.subject,
    request.publicKey,
    encode(0xa3, encode(TAG.sequence, ...extensions(request, wanted.usages, authority.keyIdentifier))),
  );
  return toPem(encode(TAG.sequence, tbs, algorithm.der, bitString(sign(algorithm.digest, tbs, key))), 'CERTIFICATE');
}

function signatureAlgorithm(key: KeyObject): { der: Buffer; digest: string | undefined } {
  switch (key.asymmetricKeyType) {
    case 'ec':
      return { der: encode(TAG.sequence, oid('1.2.840.10045.4.3.2')), digest: 'sha256' };
    case 'rsa':
      return { der: encode(TAG.sequence, oid('1.2.840.113549.1.1.11'), Buffer.from([0x05, 0])), digest: 'sha256' };
    case 'ed25519':
      return { der: encode(TAG.sequence, oid('1.3.101.112')), digest: undefined };
    default:
      throw new Error(`keys of type ${key.asymmetricKeyType} cannot sign certificates here`);
  }
}

interface AuthorityParts {
  subject: Buffer;
  keyIdentifier: Buffer;
  notAfter: number;
}

const SUBJECT_KEY_IDENTIFIER = '2.5.29.14';

function partsOf(caCert: string): AuthorityParts {
  const der = fromPem(caCert, 'CERTIFICATE');
  if (!der) throw new Error('the certificate authority is not a certificate in PEM');
  const [tbs] = childrenOf(readDer(der)[0], TAG.sequence);
  // With a version in front: [0], serial, algorithm, issuer, validity, subject, key, extensions.
  const parts = childrenOf(tbs, TAG.sequence);
  const [, , , , subject, publicKey] = parts[0]!.tag === 0xa0 ? parts.slice(1) : parts;
  return {
    subject: subject!.raw,
    keyIdentifier: keyIdentifierOf(parts.find(({ tag }) => tag === 0xa3)?.content) ?? createHash('sha1').update(publicKey!.raw).digest(),
    notAfter: Date.parse(new X509Certificate(caCert).validTo),
  };
}

function keyIdentifierOf(extensions: Buffer | undefined): Buffer | undefined {
  if (!extensions) return undefined;
  for (const extension of childrenOf(readDer(extensions)[0], TAG.sequence)) {
    const fields = childrenOf(extension, TAG.sequence);
    if (oidText(fields[0]!) === SUBJECT_KEY_IDENTIFIER) return readDer(fields.at(-1)!.content)[0]?.content;
  }
  return undefined;
}

function extensions({ subjectAltName, subject }: SigningRequest, usages: readonly string[], authorityKey: Buffer): Buffer[] {
  const bits = usages.map((usage) => KEY_USAGES[usage]).filter((bit) => bit !== undefined);
  const purposes = [...new Set(usages.map((usage) => EXTENDED_KEY_USAGES[usage]).filter((purpose) => purpose !== undefined))];
  // A certificate without a subject is known by its alternative names alone (RFC 5280, section 4.2.1.6).
  const nameless = readDer(subject)[0]!.content.length === 0;
  return [
    ...(bits.length > 0 ? [extension('2.5.29.15', true, usageBits(bits))] : []),
    ...(purposes.length > 0 ? [extension('2.5.29.37', false, encode(TAG.sequence, ...purposes.map(oid)))] : []),
    extension('2.5.29.19', true, encode(TAG.sequence)),
    extension('2.5.29.35', false, encode(TAG.sequence, encode(0x80, authorityKey))),
    ...(subjectAltName ? [extension('2.5.29.17', nameless, subjectAltName)] : []),
  ];
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  const flag = critical ? [encode(TAG.boolean, Buffer.from([0xff]))] : [];
  return encode(TAG.sequence, oid(id), ...flag, encode(TAG.octetString, value));
}

/** A named bit list: no more bits than needed. */
function usageBits(bits: readonly number[]): Buffer {
  const bytes = Buffer.alloc(Math.floor(Math.max(...bits) / 8) + 1);
  for (const bit of bits) bytes[bit >> 3]! |= 0x80 >> (bit & 7);
  return bitString(bytes, 7 - (Math.max(...bits) & 7));
}
