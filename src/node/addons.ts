/**
 * Keeps the cluster's addons as the addons folder says: each sub-folder is an enabled addon, each yaml file in it (but addon.yaml) is
 * applied server-side at start and whenever the folder changes; what an addon no longer contains, and all of a removed addon, is
 * deleted. What was applied is noted in ConfigMap kube-system/rockpool-addon-<name>, so that nothing is forgotten over restarts.
 */
import { type FSWatcher, existsSync, mkdirSync, readFileSync, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments, parse } from 'yaml';
import { type KubeObject, groupVersion, parseGroupVersion } from '../api/meta.ts';
import { resourceByKind } from '../api/scheme.ts';
import { StatusError } from '../api/status.ts';
import type { ConfigMap } from '../api/types.gen.ts';
import type { Client, ResourceClient, ResourceType } from '../client/client.ts';
import { CONFIG_MAPS } from '../client/resources.ts';
import { backoffDelay } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

/** addon.yaml, as far as the node is concerned. */
export interface AddonManifest {
  name: string;
  /** A component of the node's own that runs while the addon is enabled: `dns`, `ingress`, `dashboard`, `storage-provisioner`, `metrics-server`. */
  component?: string;
}

export interface AddonsOptions {
  addonsDir: string;
  client: Client;
  clock: Clock;
  log: Logger;
  /** Values for `${NAME}` in manifests: CLUSTER_DNS_IP, NODE_IP … */
  variables: Readonly<Record<string, string>>;
  /** Told which components are to run, each time after the manifests were applied. */
  onComponents(names: ReadonlySet<string>): Promise<void>;
}

interface Applied {
  apiVersion: string;
  kind: string;
  namespace?: string;
  name: string;
}

const SETTLE_MS = 50;
const RETRY = { baseMs: 200, maxMs: 30_000 };
const NAMESPACE = 'kube-system';
const LABEL = 'rockpool.dev/addon';
/** Upstream's addon manager convention. */
const MODE_LABEL = 'addonmanager.kubernetes.io/mode';
const FIELD_MANAGER = 'rockpool-addons';

/** `start` resolves when the enabled addons were applied once. A failure is tried again later, with a log line. */
export function addonManager(options: AddonsOptions): Component {
  const { addonsDir, clock, log } = options;
  let watcher: FSWatcher | undefined;
  let cancel = (): void => undefined;
  let work: Promise<void> = Promise.resolve();
  let stopped = false;
  let failures = 0;

  const pass = async (): Promise<void> => {
    if (stopped) return;
    try {
      await reconcileAddons(options);
      failures = 0;
    } catch (error) {
      if (stopped) return;
      log.warn('addons could not be applied, trying again', { error: errorMessage(error) });
      later(backoffDelay(failures++, RETRY));
    }
  };
  const later = (ms: number): void => {
    cancel();
    cancel = clock.timer(ms, () => {
      work = work.then(pass);
    });
  };

  return {
    name: 'addons',
    start: async () => {
      mkdirSync(addonsDir, { recursive: true });
      watcher = watch(addonsDir, { recursive: true }, () => later(SETTLE_MS));
      work = pass();
      await work;
    },
    stop: async () => {
      stopped = true;
      watcher?.close();
      cancel();
      await work;
    },
  };
}

async function reconcileAddons({ addonsDir, client, log, variables, onComponents }: AddonsOptions): Promise<void> {
  const present = readAddons(addonsDir, variables);
  const inventories = await client.resource(CONFIG_MAPS, NAMESPACE).list({ labelSelector: LABEL });
  for (const { manifest, objects } of present) {
    const before = inventories.items.find((item) => item.metadata.labels?.[LABEL] === manifest.name);
    await applyAddon(client, manifest.name, objects, before);
  }
  for (const inventory of inventories.items) {
    const name = inventory.metadata.labels![LABEL]!;
    if (present.some((addon) => addon.manifest.name === name)) continue;
    log.info('removing addon', { addon: name });
    await prune(client, readInventory(inventory), []);
    await client.resource(CONFIG_MAPS, NAMESPACE).delete(inventory.metadata.name!);
  }
  await onComponents(new Set(present.map(({ manifest }) => manifest.component).filter((name) => name !== undefined)));
  // Last: whoever waits for an addon waits for its inventory, and by now it serves.
  await Promise.all(present.map(({ manifest, objects }) => noteInventory(client, manifest.name, objects.map(reference))));
}

function readAddons(addonsDir: string, variables: Readonly<Record<string, string>>): { manifest: AddonManifest; objects: KubeObject[] }[] {
  return readdirSync(addonsDir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(addonsDir, entry.name, 'addon.yaml')))
    .map(({ name }) => {
      const folder = join(addonsDir, name);
      const manifest = parse(readFileSync(join(folder, 'addon.yaml'), 'utf8')) as AddonManifest;
      const files = readdirSync(folder).filter((file) => /\.ya?ml$/.test(file) && file !== 'addon.yaml');
      return { manifest, objects: files.toSorted().flatMap((file) => readObjects(join(folder, file), variables)) };
    });
}

function readObjects(file: string, variables: Readonly<Record<string, string>>): KubeObject[] {
  const text = readFileSync(file, 'utf8').replaceAll(/\$\{([A-Z_]+)\}/g, (whole, name: string) => variables[name] ?? whole);
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors.length > 0) throw new Error(`${file}: ${document.errors[0]!.message}`);
      return document.toJS() as KubeObject;
    })
    .filter((object) => object !== null);
}

async function applyAddon(client: Client, addon: string, objects: readonly KubeObject[], before: ConfigMap | undefined): Promise<void> {
  for (const object of objects) {
    const { metadata } = object;
    const labelled = { ...object, metadata: { ...metadata, labels: { ...metadata.labels, [LABEL]: addon } } };
    const target = clientFor(client, reference(object));
    if (metadata.labels?.[MODE_LABEL] === 'EnsureExists') await ensureExists(target, labelled);
    else await target.apply(labelled, { fieldManager: FIELD_MANAGER, force: true });
  }
  if (before) await prune(client, readInventory(before), objects.map(reference));
}

/** Made when it is missing; what its user changed afterwards stays. */
async function ensureExists(target: ResourceClient<KubeObject>, object: KubeObject): Promise<void> {
  try {
    await target.create(object);
  } catch (error) {
    if (!StatusError.is(error, 'AlreadyExists')) throw error;
  }
}

async function noteInventory(client: Client, addon: string, applied: readonly Applied[]): Promise<void> {
  const inventory: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `rockpool-addon-${addon}`, namespace: NAMESPACE, labels: { [LABEL]: addon } },
    data: { applied: JSON.stringify(applied) },
  };
  await client.resource(CONFIG_MAPS, NAMESPACE).apply(inventory, { fieldManager: FIELD_MANAGER, force: true });
}

function reference({ apiVersion, kind, metadata }: KubeObject): Applied {
  return { apiVersion: apiVersion!, kind: kind!, name: metadata.name!, ...(metadata.namespace ? { namespace: metadata.namespace } : {}) };
}

const readInventory = (inventory: ConfigMap): Applied[] => JSON.parse(inventory.data?.['applied'] ?? '[]') as Applied[];

/** Deletes what is in `before` and not in `after`, the last applied first: namespaces go after what is in them. */
async function prune(client: Client, before: readonly Applied[], after: readonly Applied[]): Promise<void> {
  const kept = new Set(after.map((item) => JSON.stringify(item)));
  for (const item of before.filter((candidate) => !kept.has(JSON.stringify(candidate))).toReversed()) {
    try {
      await clientFor(client, item).delete(item.name);
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }
}

function clientFor(client: Client, { apiVersion, kind, namespace }: Applied): ResourceClient<KubeObject> {
  const { group, version } = parseGroupVersion(apiVersion);
  const info = resourceByKind(group, version, kind);
  if (!info) throw new Error(`no resource of kind ${kind} in ${groupVersion({ group, version })}`);
  const type: ResourceType = { group, version, resource: info.resource, kind, namespaced: info.namespaced };
  return client.resource(type, info.namespaced ? (namespace ?? 'default') : undefined);
}
