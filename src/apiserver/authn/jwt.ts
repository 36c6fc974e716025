/** JSON Web Tokens as service accounts carry them: RS256 or ES256, compact form (RFC 7519, RFC 7515). */
import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';

export interface SigningKey {
  privateKey: KeyObject;
  verification: VerificationKey;
}

export interface VerificationKey {
  publicKey: KeyObject;
  algorithm: 'RS256' | 'ES256';
  /** Upstream's key id: the SHA-256 of the public key's DER form, base64url. */
  keyId: string;
}

export interface Jwt<Claims> {
  header: { alg: string; kid?: string };
  claims: Claims;
}

/** Reads a PEM private key. Throws where it is neither RSA nor an EC key on P-256. */
export function signingKey(privateKeyPem: string): SigningKey {
  const privateKey = createPrivateKey(privateKeyPem);
  return { privateKey, verification: describeKey(createPublicKey(privateKey)) };
}

/** Reads a PEM public key (or the public half of a private one). */
export function verificationKey(pem: string): VerificationKey {
  return describeKey(createPublicKey(pem));
}

export function signJwt({ privateKey, verification }: SigningKey, claims: object): string {
  const header = { alg: verification.algorithm, kid: verification.keyId };
  const signed = `${encode(header)}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

/** The parts of a token, unverified; undefined when the text is not a JWT at all. */
export function parseJwt<Claims>(token: string): Jwt<Claims> | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  const header = decode(parts[0]!) as Jwt<Claims>['header'] | undefined;
  const claims = decode(parts[1]!) as Claims | undefined;
  return header && claims ? { header, claims } : undefined;
}

/** Whether one of the keys signed the token. The header's `alg` must be the key's own, so that it cannot be chosen by the sender. */
export function verifySignature(token: string, header: Jwt<unknown>['header'], keys: readonly VerificationKey[]): boolean {
  const dot = token.lastIndexOf('.');
  const signed = Buffer.from(token.slice(0, dot));
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  return keys.some(
    ({ publicKey, algorithm, keyId }) =>
      header.alg === algorithm &&
      (header.kid === undefined || header.kid === keyId) &&
      verify('sha256', signed, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature),
  );
}

function describeKey(publicKey: KeyObject): VerificationKey {
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const keyId = createHash('sha256').update(der).digest('base64url');
  if (publicKey.asymmetricKeyType === 'rsa') return { publicKey, algorithm: 'RS256', keyId };
  if (publicKey.asymmetricKeyType === 'ec' && publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    return { publicKey, algorithm: 'ES256', keyId };
  }
  throw new Error(`a service account key must be RSA or EC P-256, this one is ${publicKey.asymmetricKeyType}`);
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decode(part: string): object | undefined {
  const text = Buffer.from(part, 'base64url').toString();
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
