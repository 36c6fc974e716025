import { createPublicKey, verify } from 'node:crypto';
import { childrenOf, fromPem, oidText, readDer, TAG, type DerElement } from './der.ts';

/** A PKCS #10 request (RFC 2986), understood. */
export interface SigningRequest {
  commonName: string;
  organizations: readonly string[];
  dnsNames: readonly string[];
  /** Each 4 or 16 bytes. */
  ipAddresses: readonly Buffer[];
  emailAddresses: readonly string[];
  uris: readonly string[];
  /** DER, to be taken over as they are. */
  subject: Buffer;
  publicKey: Buffer;
  /** DER of the extension's value; undefined when none was asked for. */
  subjectAltName?: Buffer;
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';

/** Signature algorithm to the digest that node:crypto wants to be told; undefined for those that have their own. */
const DIGESTS: Readonly<Record<string, string | undefined>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
  '1.2.840.113549.1.1.11': 'sha256',
  '1.2.840.113549.1.1.12': 'sha384',
  '1.2.840.113549.1.1.13': 'sha512',
  '1.3.101.112': undefined,
};

/** `request` is base64 of PEM, as in a CertificateSigningRequest's spec. Throws Error for what is none, or was not signed by its own key. */
export function parseSigningRequest(request: string): SigningRequest {
  const text = Buffer.from(request, 'base64').toString('latin1');
  const der = fromPem(text, 'CERTIFICATE REQUEST') ?? fromPem(text, 'NEW CERTIFICATE REQUEST');
  if (!der) throw new Error('PEM block type must be CERTIFICATE REQUEST');
  const [info, algorithm, signature] = childrenOf(readDer(der)[0], TAG.sequence);
  const [, subject, publicKey, ...rest] = childrenOf(info, TAG.sequence);
  if (!subject || !publicKey || !signature) throw new Error('asn1: structure error: the request is not complete');
  checkSignature({ signed: info!.raw, publicKey: publicKey.raw, algorithm, signature: signature.content.subarray(1) });
  const names = namesOf(subject);
  const subjectAltName = extensionOf(rest.find(({ tag }) => tag === ATTRIBUTES));
  return {
    commonName: names.get(COMMON_NAME)?.[0] ?? '',
    organizations: names.get(ORGANIZATION) ?? [],
    ...altNames(subjectAltName),
    subject: subject.raw,
    publicKey: publicKey.raw,
    ...(subjectAltName ? { subjectAltName } : {}),
  };
}

const ATTRIBUTES = 0xa0;

interface Signed {
  signed: Buffer;
  publicKey: Buffer;
  algorithm: DerElement | undefined;
  signature: Buffer;
}

function checkSignature({ signed, publicKey, algorithm, signature }: Signed): void {
  const id = oidText(childrenOf(algorithm, TAG.sequence)[0]!);
  if (!(id in DIGESTS)) throw new Error(`x509: cannot verify signature: algorithm ${id} is not supported`);
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  if (!verify(DIGESTS[id], signed, key, signature)) throw new Error('x509: the request was not signed by its own key');
}

/** Attribute types of a name to their values, in order. */
function namesOf(name: DerElement): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const set of childrenOf(name, TAG.sequence)) {
    for (const pair of childrenOf(set, TAG.set)) {
      const [type, value] = childrenOf(pair, TAG.sequence);
      if (!type || !value) continue;
      const key = oidText(type);
      found.set(key, [...(found.get(key) ?? []), value.content.toString()]);
    }
  }
  return found;
}

/** The value of the subjectAltName that the attributes ask for. */
function extensionOf(attributes: DerElement | undefined): Buffer | undefined {
  for (const attribute of attributes ? readDer(attributes.content) : []) {
    const [type, values] = childrenOf(attribute, TAG.sequence);
    if (!type || oidText(type) !== EXTENSION_REQUEST) continue;
    for (const extension of childrenOf(childrenOf(values, TAG.set)[0], TAG.sequence)) {
      const parts = childrenOf(extension, TAG.sequence);
      if (parts[0] && oidText(parts[0]) === SUBJECT_ALT_NAME) return parts.at(-1)!.content;
    }
  }
  return undefined;
}

/** GeneralName's context tags (RFC 5280, section 4.2.1.6). */
const EMAIL = 0x81;
const DNS = 0x82;
const URI = 0x86;
const IP = 0x87;

function altNames(value: Buffer | undefined): Pick<SigningRequest, 'dnsNames' | 'ipAddresses' | 'emailAddresses' | 'uris'> {
  const names = value ? childrenOf(readDer(value)[0], TAG.sequence) : [];
  const texts = (wanted: number): string[] => names.filter(({ tag }) => tag === wanted).map(({ content }) => content.toString());
  return {
    dnsNames: texts(DNS),
    ipAddresses: names.filter(({ tag }) => tag === IP).map(({ content }) => content),
    emailAddresses: texts(EMAIL),
    uris: texts(URI),
  };
}
