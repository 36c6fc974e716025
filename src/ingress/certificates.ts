import { createSecureContext, type SecureContext } from 'node:tls';
import type { Secret } from '../api/types.gen.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Certificate } from './self-signed.ts';

export interface CertificateOptions {
  log: Logger;
  /** The Secret of a host, as it is now. */
  secretFor(host: string): Secret | undefined;
}

/** TLS contexts by host, made from Secrets when they are first asked for and again when the Secret has changed. */
export class Certificates {
  readonly #options: CertificateOptions;
  readonly #contexts = new Map<string, { resourceVersion: string | undefined; context: SecureContext | undefined }>();
  #fallback: SecureContext | undefined;

  constructor(options: CertificateOptions) {
    this.#options = options;
  }

  setDefault({ cert, key }: Certificate): void {
    this.#fallback = createSecureContext({ cert, key });
  }

  /** What a client that asks for `host` is shown. */
  contextFor(host: string): SecureContext {
    const secret = this.#options.secretFor(host);
    return (secret && this.#fromSecret(secret)) ?? this.#fallback!;
  }

  #fromSecret({ metadata, data }: Secret): SecureContext | undefined {
    const key = `${metadata.namespace}/${metadata.name}`;
    const known = this.#contexts.get(key);
    if (known && known.resourceVersion === metadata.resourceVersion) return known.context;
    const context = this.#read(key, data ?? {});
    this.#contexts.set(key, { resourceVersion: metadata.resourceVersion, context });
    return context;
  }

  #read(secret: string, data: Readonly<Record<string, string>>): SecureContext | undefined {
    const { log } = this.#options;
    const [cert, key] = ['tls.crt', 'tls.key'].map((name) => data[name]);
    if (!cert || !key) {
      log.warn('the Secret holds no certificate: it needs tls.crt and tls.key', { secret });
      return undefined;
    }
    try {
      return createSecureContext({ cert: Buffer.from(cert, 'base64'), key: Buffer.from(key, 'base64') });
    } catch (error) {
      // Whatever a user put into a Secret must not end the controller; OpenSSL says what is wrong with it.
      log.warn('the certificate in the Secret cannot be used', { secret, error: errorMessage(error) });
      return undefined;
    }
  }
}
