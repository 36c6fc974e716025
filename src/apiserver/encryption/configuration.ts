/** Reads upstream's EncryptionConfiguration (apiserver.config.k8s.io/v1). */
import { readConfigFile, type ConfigFields } from '../config-file.ts';
import { aesCbc, aesGcm, IDENTITY, type Provider } from './providers.ts';

/** One entry of the configuration: which resources, and how their values are kept. */
export interface EncryptedResources {
  /** `secrets`, `deployments.apps`, `*.apps`, `*.` (all of the core group), `*.*`. */
  resources: readonly string[];
  /** The first one writes, all read. */
  providers: readonly Provider[];
}

const KEYED: Readonly<Record<string, (name: string, secret: Buffer) => Provider>> = { aesgcm: aesGcm, aescbc: aesCbc };
/** secretbox is XSalsa20, which the platform's cryptography does not have; kms is a program of somebody else's. */
const NOT_OFFERED = new Set(['secretbox', 'kms']);
const AES_KEY_BYTES = [16, 24, 32];

/** Throws ConfigFileError with the field. */
export function parseEncryptionConfiguration(text: string): EncryptedResources[] {
  const file = readConfigFile(text, 'EncryptionConfiguration', ['apiserver.config.k8s.io/v1']);
  file.only('apiVersion', 'kind', 'resources');
  const entries = file.list('resources');
  if (entries.length === 0) throw file.required('resources', 'at least one resource must be given');
  return entries.map((entry) => {
    entry.only('resources', 'providers');
    const resources = entry.texts('resources');
    if (resources.length === 0) throw entry.required('resources', 'at least one resource must be given');
    const given = entry.list('providers');
    if (given.length === 0) throw entry.required('providers', 'at least one provider must be given');
    return { resources, providers: given.flatMap(providersOf) };
  });
}

/** One for each key. */
function providersOf(given: ConfigFields): Provider[] {
  const names = given.names();
  const [name] = names;
  if (name === undefined || names.length > 1) throw given.invalid('', 'provider must contain exactly one of aesgcm, aescbc and identity');
  if (name === 'identity') return [IDENTITY];
  if (NOT_OFFERED.has(name)) throw given.invalid(name, 'this provider is not offered: use aesgcm, aescbc or identity');
  const make = KEYED[name];
  if (!make) throw given.unsupported('', name, [...Object.keys(KEYED), 'identity']);
  const provider = given.fields(name);
  provider.only('keys');
  const keys = provider.list('keys');
  if (keys.length === 0) throw provider.required('keys');
  const seen = new Set<string>();
  return keys.map((key) => {
    key.only('name', 'secret');
    const keyName = key.text('name');
    if (keyName === '') throw key.required('name');
    if (keyName.includes(':')) throw key.invalid('name', 'must not contain ":"');
    if (seen.has(keyName)) throw key.invalid('name', `duplicate key name ${JSON.stringify(keyName)}`);
    seen.add(keyName);
    return make(keyName, secretOf(key));
  });
}

function secretOf(key: ConfigFields): Buffer {
  const text = key.text('secret');
  if (text === '') throw key.required('secret');
  const secret = Buffer.from(text, 'base64');
  if (secret.toString('base64') !== text) throw key.invalid('secret', 'secret must be base64 encoded');
  if (!AES_KEY_BYTES.includes(secret.length))
    throw key.invalid('secret', `secret is not of the expected length, got ${secret.length}, expected one of [${AES_KEY_BYTES.join(' ')}]`);
  return secret;
}
