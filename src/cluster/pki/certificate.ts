/**
 * X.509 certificates with P-256 keys. node-forge lays out names and extensions but signs with RSA only, so the to-be-signed part is put
 * together from its ASN.1 pieces here and signed by node:crypto: a key and a certificate cost half a millisecond where RSA costs a hundred.
 */
import { createHash, createPublicKey, generateKeyPair, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import forgeAsn1 from 'node-forge/lib/asn1.js';
import pki from 'node-forge/lib/x509.js';
import type { asn1 } from 'node-forge';

export interface KeyAndCertificate {
  /** PKCS #8. */
  keyPem: string;
  certPem: string;
}

export interface CertificateRequest {
  commonName: string;
  organizations?: readonly string[];
  dnsNames?: readonly string[];
  ipAddresses?: readonly string[];
  usage: 'ca' | 'server' | 'client' | 'server+client';
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
}

export interface Issuer extends KeyAndCertificate {
  commonName: string;
}

const generate = promisify(generateKeyPair);

export async function generateEcKey(): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  return generate('ec', { namedCurve: 'P-256' });
}

export function pemOf(key: KeyObject): string {
  return key.type === 'private'
    ? (key.export({ type: 'pkcs8', format: 'pem' }) as string)
    : (key.export({ type: 'spki', format: 'pem' }) as string);
}

/** A new key and its certificate, signed by `issuer`, or by itself when there is none. */
export async function issue(request: CertificateRequest, issuer?: Issuer): Promise<KeyAndCertificate> {
  const { privateKey, publicKey } = await generateEcKey();
  const keyPem = pemOf(privateKey);
  const issuerKey = issuer ? createPublicKey(issuer.keyPem) : publicKey;
  const tbs = toBeSigned(request, {
    publicKey,
    issuerKey,
    issuerName: issuer ? [attribute('commonName', issuer.commonName)] : subjectOf(request),
  });
  const signature = sign('sha256', Buffer.from(forgeAsn1.toDer(tbs).getBytes(), 'binary'), issuer?.keyPem ?? keyPem);
  const certificate = sequence([tbs, signatureAlgorithm(), bitString(signature)]);
  return { keyPem, certPem: toPem(Buffer.from(forgeAsn1.toDer(certificate).getBytes(), 'binary')) };
}

interface Parties {
  publicKey: KeyObject;
  issuerKey: KeyObject;
  issuerName: Attribute[];
}

type Attribute = { name: string; value: string; type?: string };

/** RFC 5280, section 4.1: TBSCertificate. */
function toBeSigned(request: CertificateRequest, { publicKey, issuerKey, issuerName }: Parties): asn1.Asn1 {
  const { Class, Type } = forgeAsn1;
  const certificate = pki.createCertificate();
  certificate.setSubject(subjectOf(request));
  const subject = certificate.subject;
  certificate.setIssuer(issuerName);
  certificate.setExtensions(extensionsOf(request, publicKey, issuerKey));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return sequence([
    forgeAsn1.create(Class.CONTEXT_SPECIFIC, Type.NONE, true, [
      forgeAsn1.create(Class.UNIVERSAL, Type.INTEGER, false, forgeAsn1.integerToDer(2).getBytes()),
    ]),
    forgeAsn1.create(Class.UNIVERSAL, Type.INTEGER, false, serial.toString('binary')),
    signatureAlgorithm(),
    pki.distinguishedNameToAsn1(certificate.issuer),
    sequence([time(request.notBefore), time(request.notAfter)]),
    pki.distinguishedNameToAsn1(subject),
    forgeAsn1.fromDer(spki(publicKey).toString('binary')),
    pki.certificateExtensionsToAsn1(certificate.extensions),
  ]);
}

function subjectOf({ commonName, organizations = [] }: CertificateRequest): Attribute[] {
  return [...organizations.map((name) => attribute('organizationName', name)), attribute('commonName', commonName)];
}

function attribute(name: string, value: string): Attribute {
  return { name, value };
}

function extensionsOf(request: CertificateRequest, publicKey: KeyObject, issuerKey: KeyObject): object[] {
  const isCa = request.usage === 'ca';
  const names = [
    ...(request.dnsNames ?? []).map((value) => ({ type: 2, value })),
    ...(request.ipAddresses ?? []).map((ip) => ({ type: 7, ip })),
  ];
  return [
    { name: 'basicConstraints', critical: true, cA: isCa },
    isCa
      ? { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true, keyCertSign: true }
      : { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    ...(isCa ? [] : [{ name: 'extKeyUsage', serverAuth: request.usage !== 'client', clientAuth: request.usage !== 'server' }]),
    { id: '2.5.29.14', value: forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.OCTETSTRING, false, keyIdentifier(publicKey)) },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(issuerKey) },
    ...(names.length > 0 ? [{ name: 'subjectAltName', altNames: names }] : []),
  ];
}

/** RFC 7093, method 1: the first 160 bits of the SHA-256 of the public key; any unique value serves. */
function keyIdentifier(key: KeyObject): string {
  return createHash('sha256').update(spki(key)).digest().subarray(0, 20).toString('binary');
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function sequence(items: asn1.Asn1[]): asn1.Asn1 {
  return forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.SEQUENCE, true, items);
}

/** ecdsa-with-SHA256, RFC 5758. */
function signatureAlgorithm(): asn1.Asn1 {
  return sequence([
    forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.OID, false, forgeAsn1.oidToDer('1.2.840.10045.4.3.2').getBytes()),
  ]);
}

function bitString(bytes: Buffer): asn1.Asn1 {
  return forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.BITSTRING, false, `\0${bytes.toString('binary')}`);
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5). */
function time(ms: number): asn1.Asn1 {
  const date = new Date(ms);
  return date.getUTCFullYear() < 2050
    ? forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.UTCTIME, false, forgeAsn1.dateToUtcTime(date))
    : forgeAsn1.create(forgeAsn1.Class.UNIVERSAL, forgeAsn1.Type.GENERALIZEDTIME, false, forgeAsn1.dateToGeneralizedTime(date));
}

function toPem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
