/** The providers of an EncryptionConfiguration that need no other program. Each value begins with its provider's prefix and the key's name. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** One key of one provider, or `identity`. `key` is the object's key in the store. */
export interface Provider {
  /** What its values begin with; empty for `identity`. */
  prefix: string;
  /** For messages: `aesgcm key "key1"`. */
  title: string;
  seal(key: string, plain: Uint8Array): Uint8Array;
  /** Throws when the value was not sealed with this key, or for another object. */
  open(key: string, sealed: Uint8Array): Uint8Array;
}

/** The names of all envelopes begin so (k8s.io/apiserver, storage/value). */
export const ENVELOPE = 'k8s:enc:';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const BLOCK_BYTES = 16;

/** AES-GCM with a random nonce in front and the tag behind; the object's key in the store is authenticated too, so values cannot be swapped. */
export function aesGcm(name: string, secret: Buffer): Provider {
  const algorithm = `aes-${secret.length * 8}-gcm` as 'aes-256-gcm';
  const prefix = `${ENVELOPE}aesgcm:v1:${name}:`;
  const head = Buffer.from(prefix);
  return {
    prefix,
    title: `aesgcm key ${JSON.stringify(name)}`,
    seal(key, plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(algorithm, secret, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(key));
      return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(key, sealed) {
      if (sealed.length < head.length + NONCE_BYTES + TAG_BYTES) throw new Error('the stored data was shorter than the required size');
      const nonce = sealed.subarray(head.length, head.length + NONCE_BYTES);
      const decipher = createDecipheriv(algorithm, secret, nonce, { authTagLength: TAG_BYTES })
        .setAAD(Buffer.from(key))
        .setAuthTag(sealed.subarray(-TAG_BYTES));
      return Buffer.concat([decipher.update(sealed.subarray(head.length + NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
    },
  };
}

/** AES-CBC with PKCS #7 padding and the initialisation vector in front. Not authenticated: upstream keeps it for old stores. */
export function aesCbc(name: string, secret: Buffer): Provider {
  const algorithm = `aes-${secret.length * 8}-cbc`;
  const prefix = `${ENVELOPE}aescbc:v1:${name}:`;
  const head = Buffer.from(prefix);
  return {
    prefix,
    title: `aescbc key ${JSON.stringify(name)}`,
    seal(_key, plain) {
      const vector = randomBytes(BLOCK_BYTES);
      const cipher = createCipheriv(algorithm, secret, vector);
      return Buffer.concat([head, vector, cipher.update(plain), cipher.final()]);
    },
    open(_key, sealed) {
      const vector = sealed.subarray(head.length, head.length + BLOCK_BYTES);
      const decipher = createDecipheriv(algorithm, secret, vector);
      return Buffer.concat([decipher.update(sealed.subarray(head.length + BLOCK_BYTES)), decipher.final()]);
    },
  };
}

/** Plain values; an envelope that it meets was sealed by a provider that is not configured any more. */
export const IDENTITY: Provider = {
  prefix: '',
  title: 'identity',
  seal: (_key, plain) => plain,
  open(_key, stored) {
    if (isEnvelope(stored)) throw new Error('identity transformer tried to read encrypted data');
    return stored;
  },
};

export function isEnvelope(stored: Uint8Array): boolean {
  return Buffer.from(stored.buffer, stored.byteOffset, Math.min(stored.length, ENVELOPE.length)).toString('latin1') === ENVELOPE;
}
