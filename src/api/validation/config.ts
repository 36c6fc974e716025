/** ConfigMaps and Secrets. */
import { semanticEqual } from '../patch/json.ts';
import type { ConfigMap, Secret } from '../types.gen.ts';
import { configKeyProblems } from './names.ts';
import type { Problems } from './problems.ts';

const MAX_BYTES = 1024 * 1024;
const LOCKED = 'field is immutable when `immutable` is set';

export function checkConfigMap(problems: Problems, { data = {}, binaryData = {} }: ConfigMap): void {
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    problems.invalidEach(`data[${key}]`, key, configKeyProblems(key));
    if (Object.hasOwn(binaryData, key)) problems.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData');
    size += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(binaryData)) {
    problems.invalidEach(`binaryData[${key}]`, key, configKeyProblems(key));
    size += decodedLength(value);
  }
  // An empty path prints as upstream has it.
  if (size > MAX_BYTES) problems.tooLong('[]', MAX_BYTES);
}

export function checkConfigMapUpdate(problems: Problems, map: ConfigMap, old: ConfigMap): void {
  if (!old.immutable) return;
  if (!map.immutable) problems.forbidden('immutable', LOCKED);
  if (!semanticEqual(map.data, old.data)) problems.forbidden('data', LOCKED);
  if (!semanticEqual(map.binaryData, old.binaryData)) problems.forbidden('binaryData', LOCKED);
}

export function checkSecret(problems: Problems, secret: Secret): void {
  const data = secret.data ?? {};
  let size = 0;
  for (const [key, value] of Object.entries(data)) {
    problems.invalidEach(`data[${key}]`, key, configKeyProblems(key));
    size += decodedLength(value);
  }
  if (size > MAX_BYTES) problems.tooLong('data', MAX_BYTES);
  TYPE_RULES[secret.type ?? '']?.(problems, secret, data);
}

export function checkSecretUpdate(problems: Problems, secret: Secret, old: Secret): void {
  problems.immutable('type', secret.type === old.type, secret.type);
  if (!old.immutable) return;
  if (!secret.immutable) problems.forbidden('immutable', LOCKED);
  if (!semanticEqual(secret.data, old.data)) problems.forbidden('data', LOCKED);
}

type Data = Readonly<Record<string, string>>;

const TYPE_RULES: Readonly<Record<string, (problems: Problems, secret: Secret, data: Data) => void>> = {
  'kubernetes.io/service-account-token': (problems, { metadata }) => {
    const key = 'kubernetes.io/service-account.name';
    if (!metadata.annotations?.[key]) problems.required(`metadata.annotations[${key}]`);
  },
  'kubernetes.io/dockercfg': (problems, _secret, data) => checkJson(problems, data, '.dockercfg'),
  'kubernetes.io/dockerconfigjson': (problems, _secret, data) => checkJson(problems, data, '.dockerconfigjson'),
  'kubernetes.io/basic-auth': (problems, _secret, data) => {
    if (data['username'] !== undefined || data['password'] !== undefined) return;
    problems.required('data[username]');
    problems.required('data[password]');
  },
  'kubernetes.io/ssh-auth': (problems, _secret, data) => requireKey(problems, data, 'ssh-privatekey'),
  'kubernetes.io/tls': (problems, _secret, data) => {
    if (data['tls.crt'] === undefined) problems.required('data[tls.crt]');
    if (data['tls.key'] === undefined) problems.required('data[tls.key]');
  },
};

function requireKey(problems: Problems, data: Data, key: string): void {
  if (!data[key]) problems.required(`data[${key}]`);
}

function checkJson(problems: Problems, data: Data, key: string): void {
  const text = data[key];
  if (text === undefined) return problems.required(`data[${key}]`);
  try {
    JSON.parse(Buffer.from(text, 'base64').toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    problems.invalid(`data[${key}]`, '<secret contents redacted>', error.message);
  }
}

function decodedLength(base64: string): number {
  return Math.floor((base64.replace(/=+$/, '').length * 3) / 4);
}
