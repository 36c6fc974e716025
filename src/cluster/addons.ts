/**
 * Addons as the laptop sees them: folders of manifests, copied to where the node applies them. The node keeps a ConfigMap
 * `rockpool-addon-NAME` in kube-system for each that it has applied; that, and the workloads among the manifests, tell when one is ready.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { Client } from '../client/client.ts';
import { CONFIG_MAPS, DAEMON_SETS, DEPLOYMENTS } from '../client/resources.ts';
import { WaitTimeoutError, waitFor } from '../client/wait-for.ts';
import type { Clock } from '../lib/clock.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { AddonFiles } from './driver.ts';
import { failure } from './reasons.ts';

export interface Addon {
  name: string;
  description: string;
  /** Part of a new cluster unless its user says otherwise. */
  default: boolean;
  images: readonly string[];
  /** What to type or open next; printed after enabling. */
  notes: readonly string[];
  /** File name to text, addon.yaml among them. */
  files: ReadonlyMap<string, string>;
}

const NAMESPACE = 'kube-system';

/** All addons of this installation, by name. Throws ADDON_BROKEN naming the file. */
export async function loadAddons(packageRoot: string): Promise<Map<string, Addon>> {
  const root = join(packageRoot, 'addons');
  const entries = await readdir(root, { withFileTypes: true }).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
  const addons = await Promise.all(names.map((name) => loadAddon(join(root, name), name)));
  return new Map(addons.map((addon) => [addon.name, addon]));
}

/** Throws ADDON_UNKNOWN for the first name that there is no addon of, with the nearest one as advice. */
export function requireAddons(addons: ReadonlyMap<string, Addon>, names: readonly string[]): void {
  for (const name of names)
    if (!addons.has(name)) throw failure('ADDON_UNKNOWN', `there is no addon "${name}"; there are ${[...addons.keys()].join(', ')}`);
}

/** What stands in the node's folder when exactly `enabled` are. */
export function addonFiles(addons: ReadonlyMap<string, Addon>, enabled: readonly string[]): AddonFiles {
  const files = new Map<string, string>();
  for (const name of enabled) for (const [path, text] of addons.get(name)?.files ?? []) files.set(`${name}/${path}`, text);
  return { files, absent: [...addons.keys()].filter((name) => !enabled.includes(name)) };
}

export interface AddonWait {
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
}

/** Resolves when the node has applied the addon and its workloads are available. Throws ADDON_TIMEOUT. */
export async function untilAddonReady(client: Client, addon: Addon, options: AddonWait): Promise<void> {
  await timed(addon.name, async () => {
    await waitFor(inventory(client, addon.name), () => inventory(client, addon.name).list()[0], {
      ...options,
      what: `addon ${addon.name} to be applied`,
    });
    await Promise.all(
      workloads(addon).map(async ({ kind, namespace, name }) => untilAvailable(client, { kind, namespace, name }, options)),
    );
  });
}

/** Resolves when the node has taken the addon's objects away. Throws ADDON_TIMEOUT. */
export async function untilAddonGone(client: Client, name: string, options: AddonWait): Promise<void> {
  await timed(name, async () => {
    await waitFor(
      inventory(client, name),
      () => (inventory(client, name).synced && inventory(client, name).list().length === 0 ? true : undefined),
      { ...options, what: `addon ${name} to be removed` },
    );
  });
}

async function timed(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof WaitTimeoutError) throw failure('ADDON_TIMEOUT', `addon ${name}: ${error.message}`, { cause: error });
    throw error;
  }
}

function inventory(client: Client, name: string) {
  return client.informer(CONFIG_MAPS, { namespace: NAMESPACE, fieldSelector: `metadata.name=rockpool-addon-${name}` });
}

interface Workload {
  kind: string;
  namespace: string;
  name: string;
}

async function untilAvailable(client: Client, { kind, namespace, name }: Workload, options: AddonWait): Promise<void> {
  const where = { namespace, fieldSelector: `metadata.name=${name}` };
  const what = `${kind} ${namespace}/${name} to be available`;
  if (kind === 'DaemonSet') {
    const sets = client.informer(DAEMON_SETS, where);
    await waitFor(
      sets,
      () =>
        sets
          .list()
          .find(
            ({ metadata, status }) =>
              status?.observedGeneration === metadata.generation && status?.numberReady === status?.desiredNumberScheduled,
          ),
      { ...options, what },
    );
    return;
  }
  const deployments = client.informer(DEPLOYMENTS, where);
  const ready = () =>
    deployments
      .list()
      .find(
        ({ metadata, spec, status }) =>
          status?.observedGeneration === metadata.generation && (status?.availableReplicas ?? 0) >= (spec?.replicas ?? 1),
      );
  await waitFor(deployments, ready, { ...options, what });
}

function workloads(addon: Addon): Workload[] {
  const manifests = [...addon.files].filter(([path]) => path !== 'addon.yaml').map(([, text]) => text);
  const objects = manifests.flatMap((text) =>
    parseAllDocuments(text).map(
      (document) => document.toJS() as { kind?: string; metadata?: { name?: string; namespace?: string } } | null,
    ),
  );
  return objects.flatMap((object) =>
    object && (object.kind === 'Deployment' || object.kind === 'DaemonSet') && object.metadata?.name
      ? [{ kind: object.kind, namespace: object.metadata.namespace ?? 'default', name: object.metadata.name }]
      : [],
  );
}

async function loadAddon(dir: string, name: string): Promise<Addon> {
  const path = join(dir, 'addon.yaml');
  try {
    const names = (await readdir(dir)).filter((file) => /\.ya?ml$/.test(file)).toSorted();
    const files = new Map(await Promise.all(names.map(async (file) => [file, await readFile(join(dir, file), 'utf8')] as const)));
    const text = files.get('addon.yaml');
    if (text === undefined) throw new Error('the file is missing');
    const value = parse(text) as { name?: unknown; description?: unknown; default?: unknown; images?: unknown; notes?: unknown } | null;
    if (value?.name !== name) throw new Error(`\`name\` must be ${name}, as the folder is called`);
    if (typeof value.description !== 'string') throw new Error('`description` must be a text');
    return {
      name,
      description: value.description,
      default: value.default === true,
      images: texts(value.images, 'images'),
      notes: texts(value.notes, 'notes'),
      files,
    };
  } catch (error) {
    throw failure('ADDON_BROKEN', `${path}: ${errorMessage(error)}`, { cause: error });
  }
}

function texts(value: unknown, field: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw new Error(`\`${field}\` must be a list of texts`);
}
