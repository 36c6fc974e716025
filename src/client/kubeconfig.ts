import { readFile } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { HttpsOptions } from './transports/https.ts';

/** What is wrong with a kubeconfig, in words for its owner. */
export class KubeconfigError extends Error {
  override name = 'KubeconfigError';
}

export interface KubeconfigSelection {
  /** Files in order of precedence; those that do not exist are passed over. */
  paths: readonly string[];
  /** current-context unless given. */
  context?: string;
}

export interface KubeconfigConnection {
  context: string;
  /** The context's namespace, `default` without one. */
  namespace: string;
  connection: Omit<HttpsOptions, 'clock'>;
}

/** Where kubectl looks: the files of `$KUBECONFIG` (a list), else `~/.kube/config`. */
export function kubeconfigPaths(kubeconfigVariable: string | undefined, home: string): string[] {
  const named = (kubeconfigVariable ?? '').split(delimiter).filter((path) => path !== '');
  return named.length > 0 ? named : [join(home, '.kube', 'config')];
}

/**
 * The connection that a context names. Several files merge as kubectl merges them: the first file to name an entry wins, relative paths
 * are relative to the file they stand in. Credentials that need a program (exec, auth-provider) are refused. Throws KubeconfigError.
 */
export async function readKubeconfig({ paths, context: wanted }: KubeconfigSelection): Promise<KubeconfigConnection> {
  const merged = mergeFiles(await Promise.all(paths.map(readConfigFile)));
  const name = wanted ?? merged.currentContext;
  if (!name) throw new KubeconfigError(`no current-context is set in ${paths.join(', ')}`);
  const context = entry(merged.contexts, name, 'context', paths);
  const cluster = entry(merged.clusters, text(context.value, 'cluster') ?? '', 'cluster', paths);
  const userName = text(context.value, 'user');
  const user = userName ? entry(merged.users, userName, 'user', paths) : undefined;
  const connection = { ...(await clusterOptions(cluster)), ...(user ? await userOptions(user, userName!) : {}) };
  return { context: name, namespace: text(context.value, 'namespace') ?? 'default', connection };
}

type Fields = Readonly<Record<string, unknown>>;

interface Entry {
  value: Fields;
  /** The folder of the file it stands in. */
  folder: string;
}

interface ConfigFile {
  currentContext: string | undefined;
  clusters: Map<string, Entry>;
  contexts: Map<string, Entry>;
  users: Map<string, Entry>;
}

async function readConfigFile(path: string): Promise<ConfigFile | undefined> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new KubeconfigError(`cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
  const { parse } = await import('yaml');
  let value: unknown;
  try {
    value = parse(content);
  } catch (error) {
    throw new KubeconfigError(`${path} is not valid YAML: ${errorMessage(error)}`, { cause: error });
  }
  if (value !== null && value !== undefined && !isFields(value)) throw new KubeconfigError(`${path} is not a kubeconfig`);
  const fields = value ?? {};
  const list = (plural: string, singular: string): Map<string, Entry> => entriesOf(fields[plural], singular, path);
  return {
    currentContext: text(fields, 'current-context'),
    clusters: list('clusters', 'cluster'),
    contexts: list('contexts', 'context'),
    users: list('users', 'user'),
  };
}

function entriesOf(value: unknown, singular: string, path: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  if (value === undefined || value === null) return entries;
  if (!Array.isArray(value)) throw new KubeconfigError(`${singular}s in ${path} is not a list`);
  for (const item of value as unknown[]) {
    const name = isFields(item) ? text(item, 'name') : undefined;
    if (!isFields(item) || !name) throw new KubeconfigError(`a ${singular} in ${path} has no name`);
    const inner = item[singular];
    if (!entries.has(name)) entries.set(name, { value: isFields(inner) ? inner : {}, folder: dirname(resolve(path)) });
  }
  return entries;
}

function mergeFiles(files: readonly (ConfigFile | undefined)[]): ConfigFile {
  const merged: ConfigFile = { currentContext: undefined, clusters: new Map(), contexts: new Map(), users: new Map() };
  for (const file of files) {
    if (!file) continue;
    merged.currentContext ??= file.currentContext;
    for (const part of ['clusters', 'contexts', 'users'] as const) {
      for (const [name, value] of file[part]) if (!merged[part].has(name)) merged[part].set(name, value);
    }
  }
  return merged;
}

function entry(entries: Map<string, Entry>, name: string, what: string, paths: readonly string[]): Entry {
  const found = entries.get(name);
  if (!found) throw new KubeconfigError(`there is no ${what} "${name}" in ${paths.join(', ')}`);
  return found;
}

async function clusterOptions(cluster: Entry): Promise<Omit<HttpsOptions, 'clock'>> {
  const server = text(cluster.value, 'server');
  if (!server) throw new KubeconfigError('the cluster has no server');
  if (text(cluster.value, 'proxy-url')) throw new KubeconfigError('proxy-url is not supported');
  const ca = await fileOrData(cluster, 'certificate-authority');
  const serverName = text(cluster.value, 'tls-server-name');
  return {
    server,
    ...(ca ? { ca } : {}),
    ...(serverName ? { serverName } : {}),
    ...(cluster.value['insecure-skip-tls-verify'] === true ? { insecureSkipTlsVerify: true } : {}),
  };
}

async function userOptions(user: Entry, name: string): Promise<Partial<HttpsOptions>> {
  for (const plugin of ['exec', 'auth-provider']) {
    if (user.value[plugin])
      throw new KubeconfigError(`user "${name}" gets its credentials from a program (${plugin}), which is not supported`);
  }
  const cert = await fileOrData(user, 'client-certificate');
  const key = await fileOrData(user, 'client-key');
  const token = text(user.value, 'token');
  const tokenFile = text(user.value, 'tokenFile');
  const username = text(user.value, 'username');
  return {
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    // Where both stand, client-go goes by the file, which may be renewed.
    ...(tokenFile ? { tokenFile: resolve(user.folder, tokenFile) } : token ? { token } : {}),
    ...(username ? { basicAuth: { username, password: text(user.value, 'password') ?? '' } } : {}),
  };
}

/** `<field>-data` (base64) wins over the file that `<field>` names. */
async function fileOrData({ value, folder }: Entry, field: string): Promise<Buffer | undefined> {
  const data = text(value, `${field}-data`);
  if (data) return Buffer.from(data, 'base64');
  const path = text(value, field);
  if (!path) return undefined;
  try {
    return await readFile(resolve(folder, path));
  } catch (error) {
    throw new KubeconfigError(`cannot read ${field} ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
