import { builtinResources } from '../../api/scheme.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { ValueTransformer } from '../watch/watch-cache.ts';
import { parseEncryptionConfiguration, type EncryptedResources } from './configuration.ts';
import { IDENTITY, isEnvelope, type Provider } from './providers.ts';

/**
 * Encryption at rest by an EncryptionConfiguration (YAML or JSON): the values in the store are those that a kube-apiserver with the same
 * file writes and reads. What was stored in the clear is read, and encrypted when it is next written. Throws ConfigFileError with the field.
 */
export function encryptionTransformer(configuration: string): ValueTransformer {
  return new Encryption(parseEncryptionConfiguration(configuration));
}

const ROOT = '/registry/';
const CLEAR: readonly Provider[] = [IDENTITY];

class Encryption implements ValueTransformer {
  readonly #configured: readonly EncryptedResources[];
  /** By storage prefix. Built-in ones stand here from the beginning, custom ones when they are first met. */
  readonly #providers = new Map<string, readonly Provider[]>();

  constructor(configured: readonly EncryptedResources[]) {
    this.#configured = configured;
    for (const { storagePrefix, group, resource } of builtinResources().filter(({ storagePrefix }) => storagePrefix !== ''))
      this.#providers.set(storagePrefix, this.#configuredFor(group, resource));
  }

  toStorage(key: string, plain: Uint8Array): Uint8Array {
    return this.#of(key)[0]!.seal(key, plain);
  }

  fromStorage(key: string, stored: Uint8Array): Uint8Array {
    const providers = this.#of(key);
    // What is not configured is nearly everything: its values are looked at no further than to see that they are in the clear.
    if (providers === CLEAR && !isEnvelope(stored)) return stored;
    const matching = providers.filter(({ prefix }) => beginsWith(stored, prefix));
    const failures: string[] = [];
    for (const provider of matching) {
      try {
        return provider.open(key, stored);
      } catch (error) {
        failures.push(`${provider.title}: ${errorMessage(error)}`);
      }
    }
    const why = failures.length > 0 ? failures.join('; ') : 'no matching prefix found';
    throw new Error(`unable to transform key ${JSON.stringify(key)}${envelopeOf(stored)}: ${why}`);
  }

  isStale(key: string, stored: Uint8Array): boolean {
    const [writer] = this.#of(key);
    return writer === IDENTITY ? isEnvelope(stored) : !beginsWith(stored, writer!.prefix);
  }

  #of(key: string): readonly Provider[] {
    const first = key.indexOf('/', ROOT.length);
    const second = first < 0 ? -1 : key.indexOf('/', first + 1);
    if (first < 0) return CLEAR;
    const short = this.#providers.get(key.slice(0, first));
    if (short || second < 0) return short ?? CLEAR;
    const prefix = key.slice(0, second);
    const long = this.#providers.get(prefix);
    if (long) return long;
    // `/registry/stable.example.com/crontabs/…`: a custom resource.
    const group = key.slice(ROOT.length, first);
    if (!group.includes('.')) return CLEAR;
    const providers = this.#configuredFor(group, key.slice(first + 1, second));
    this.#providers.set(prefix, providers);
    return providers;
  }

  /** The first entry that names the resource decides, as upstream's. */
  #configuredFor(group: string, resource: string): readonly Provider[] {
    const names = ['*.*', `*.${group}`, group === '' ? resource : `${resource}.${group}`];
    return this.#configured.find(({ resources }) => resources.some((name) => names.includes(name)))?.providers ?? CLEAR;
  }
}

function beginsWith(stored: Uint8Array, prefix: string): boolean {
  return Buffer.from(stored.buffer, stored.byteOffset, Math.min(stored.length, prefix.length)).toString('latin1') === prefix;
}

/** The envelope that the value is in, so that a message names the key that is missing. */
function envelopeOf(stored: Uint8Array): string {
  const head = Buffer.from(stored.buffer, stored.byteOffset, Math.min(stored.length, 200)).toString('latin1');
  const envelope = /^k8s:enc:[a-z0-9]+:v\d+:[^:]+(?=:)/.exec(head)?.[0];
  return envelope ? ` (stored as ${envelope})` : '';
}
