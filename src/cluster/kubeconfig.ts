/**
 * Our entries in the user's kubeconfig. Everything else in the file stays as it stands, comments included; a file that cannot be read is
 * left alone. Files are found, and entries go to files, as `kubectl config` does it.
 */
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { isMap, isSeq, parseDocument } from 'yaml';
import type { Document, YAMLMap, YAMLSeq } from 'yaml';
import type { Clock } from '../lib/clock.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import { readIfExists, writeFileAtomic } from './files.ts';
import { withLock } from './lock.ts';
import { failure } from './reasons.ts';

export interface KubeconfigPlace {
  env: Readonly<Record<string, string | undefined>>;
  userHome: string;
  clock: Clock;
}

export interface KubeconfigEntry {
  /** Cluster, user and context are all called this. */
  name: string;
  server: string;
  /** PEM. */
  caCert: string;
  clientCert: string;
  clientKey: string;
  /** Leave current-context as it is. */
  keepContext: boolean;
}

const SECTIONS = [
  { list: 'clusters', item: 'cluster' },
  { list: 'contexts', item: 'context' },
  { list: 'users', item: 'user' },
] as const;
const LOCK_WAIT_MS = 5_000;
/** Marks an entry as ours, in the place that kubeconfigs have for it. */
const EXTENSION = 'rockpool.dev';

/** $KUBECONFIG's files in order, else ~/.kube/config. */
export function kubeconfigFiles({ env, userHome }: Pick<KubeconfigPlace, 'env' | 'userHome'>): string[] {
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  return named.length > 0 ? [...new Set(named)] : [join(userHome, '.kube', 'config')];
}

/** Adds or renews our entries; the file that was written. Throws KUBECONFIG_BROKEN, PROFILE_CONFLICT for a stranger's entry of that name, KUBECONFIG_WRITE. */
export async function mergeKubeconfig(entry: KubeconfigEntry, place: KubeconfigPlace): Promise<string> {
  const files = kubeconfigFiles(place);
  const contents = await Promise.all(files.map(loadFile));
  const holder = contents.find(({ document }) => SECTIONS.some(({ list }) => find(document, list, entry.name)));
  const target = holder?.path ?? (await defaultFile(files));
  const chooser = entry.keepContext
    ? undefined
    : (contents.find(({ document }) => Boolean(document.get('current-context')))?.path ?? target);
  await edit(target, place.clock, (document) => {
    setEntries(document, entry, target);
    if (chooser === target) setCurrentContext(document, entry.name);
  });
  if (chooser && chooser !== target) await edit(chooser, place.clock, (document) => setCurrentContext(document, entry.name));
  return target;
}

/** Takes our entries out of every file, and current-context where it names them. What is not there, or not ours, is no error. */
export async function removeFromKubeconfig(name: string, place: KubeconfigPlace): Promise<void> {
  for (const path of kubeconfigFiles(place)) {
    const { document } = await loadFile(path);
    if (SECTIONS.some(({ list }) => isOurs(document, list, name))) await edit(path, place.clock, (current) => removeEntries(current, name));
  }
}

/** Whether the files name our cluster at this address. */
export async function isConfigured(name: string, server: string, place: KubeconfigPlace): Promise<boolean> {
  for (const path of kubeconfigFiles(place)) {
    const { document } = await loadFile(path);
    const cluster = find(document, 'clusters', name);
    if (cluster) return cluster.getIn(['cluster', 'server']) === server && find(document, 'contexts', name) !== undefined;
  }
  return false;
}

/** Fails early, before anything is made, when a file could not be merged into later. */
export async function checkKubeconfig(name: string, place: KubeconfigPlace): Promise<void> {
  for (const path of kubeconfigFiles(place)) {
    const { document } = await loadFile(path);
    for (const { list } of SECTIONS) requireOurs(document, list, { name, path });
  }
}

/** kubectl's rule for new entries: the one named file, else the first of the list that exists, else the last. */
async function defaultFile(files: readonly string[]): Promise<string> {
  for (const path of files) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) return path;
  }
  return files.at(-1)!;
}

async function loadFile(path: string): Promise<{ path: string; document: Document; text: string }> {
  const text = (await readIfExists(path)) ?? '';
  const document: Document = parseDocument(text, { keepSourceTokens: false });
  if (document.errors.length > 0)
    throw failure('KUBECONFIG_BROKEN', `${path} is not YAML: ${document.errors[0]!.message.split('\n')[0]!.replace(/:$/, '')}`, {
      cause: document.errors[0],
    });
  if (document.contents === null) document.contents = document.createNode({ apiVersion: 'v1', kind: 'Config', preferences: {} }) as YAMLMap;
  if (!isMap(document.contents)) throw failure('KUBECONFIG_BROKEN', `${path} does not hold a kubeconfig`);
  for (const { list } of SECTIONS) {
    const section = document.get(list);
    if (section !== undefined && section !== null && !isSeq(section))
      throw failure('KUBECONFIG_BROKEN', `${path}: field "${list}" must be a list`);
  }
  return { path, document, text };
}

/** Reads, changes and writes one file while kubectl's own lock on it is held. */
async function edit(path: string, clock: Clock, change: (document: Document) => void): Promise<void> {
  const real = await realpath(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return path;
    throw error;
  });
  try {
    await withLock(`${real}.lock`, { clock, purpose: 'kubeconfig', waitMs: LOCK_WAIT_MS }, async () => {
      const { document, text } = await loadFile(real);
      change(document);
      const mode = text === '' ? 0o600 : (await stat(real)).mode & 0o777;
      // kubectl writes lists without indentation; a file that has it keeps it.
      const indentSeq = /^(clusters|contexts|users):\n +- /m.test(text);
      await writeFileAtomic(real, document.toString({ lineWidth: 0, indentSeq }), { mode, durable: true });
    });
  } catch (error) {
    if (error instanceof Error && error.name === 'RockpoolError' && !('code' in error && error.code === 'HOST_PERMISSION')) throw error;
    throw failure('KUBECONFIG_WRITE', `cannot write ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function setEntries(document: Document, entry: KubeconfigEntry, path: string): void {
  const { name, server, caCert, clientCert, clientKey } = entry;
  const extensions = [{ name: EXTENSION, extension: { provider: EXTENSION, profile: name } }];
  const existing = find(document, 'contexts', name)?.get('context');
  const namespace: unknown = isMap(existing) ? existing.get('namespace') : undefined;
  const values = {
    clusters: { 'certificate-authority-data': base64(caCert), extensions, server },
    contexts: { cluster: name, extensions, ...(typeof namespace === 'string' ? { namespace } : {}), user: name },
    users: { 'client-certificate-data': base64(clientCert), 'client-key-data': base64(clientKey), extensions },
  };
  for (const { list, item } of SECTIONS) {
    requireOurs(document, list, { name, path });
    if (!isSeq(document.get(list))) document.set(list, document.createNode([]));
    const section = document.get(list) as YAMLSeq;
    // `clusters: []` as kubectl writes an empty list would make ours one long line.
    section.flow = section.flow === true && section.items.length > 0;
    const node = document.createNode({ [item]: values[list], name });
    const at = section.items.findIndex((element) => isMap(element) && element.get('name') === name);
    if (at >= 0) section.items[at] = node;
    else section.add(node);
  }
  if (!document.has('current-context')) document.set('current-context', '');
}

function removeEntries(document: Document, name: string): void {
  for (const { list } of SECTIONS) {
    const section = document.get(list);
    if (isSeq(section) && isOurs(document, list, name))
      section.items = section.items.filter((element) => !(isMap(element) && element.get('name') === name));
  }
  if (document.get('current-context') === name) setCurrentContext(document, '');
}

/** A new node, not a new value: the quotes of `""` would stay. */
function setCurrentContext(document: Document, name: string): void {
  document.set('current-context', document.createNode(name));
}

function find(document: Document, list: string, name: string): YAMLMap | undefined {
  const section = document.get(list);
  return isSeq(section) ? section.items.filter((item) => isMap(item)).find((item) => item.get('name') === name) : undefined;
}

function isOurs(document: Document, list: (typeof SECTIONS)[number]['list'], name: string): boolean {
  const { item } = SECTIONS.find((section) => section.list === list)!;
  const extensions = find(document, list, name)?.getIn([item, 'extensions']);
  return isSeq(extensions) && extensions.items.some((element) => isMap(element) && element.get('name') === EXTENSION);
}

function requireOurs(document: Document, list: (typeof SECTIONS)[number]['list'], { name, path }: { name: string; path: string }): void {
  if (!find(document, list, name) || isOurs(document, list, name)) return;
  throw failure('PROFILE_CONFLICT', `${path} has an entry "${name}" in ${list} that is not Rockpool's`);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
