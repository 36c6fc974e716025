import { addQuantities, canonicalQuantity } from '../../api/codec/quantity.ts';
import { keyOf, type KubeObject, type ObjectWithMeta } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { inScope, usageOf } from '../../api/quota/usage.ts';
import type { ResourceQuota } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { CUSTOM_RESOURCE_DEFINITIONS, RESOURCE_QUOTAS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isCustom, keyOfResource, resourcesOf, typeOf, type ResourceKey } from './counted.ts';

/** Changes come in bursts (a Deployment's pods), and a status a moment later serves as well. */
const SETTLE_MS = 100;
/** The server needs a moment to serve a kind that was just defined. */
const DISCOVERY_MS = 1000;

/** Writes into each ResourceQuota what its namespace uses. Whether a request fits is decided in the API server, from its own count. */
export function createResourceQuotaController(context: ComponentContext): Component[] {
  return [runReconciler(context, new ResourceQuotaController(context))];
}

interface Counted {
  group: string;
  resource: string;
  informer: Informer<ObjectWithMeta>;
}

class ResourceQuotaController implements Reconciler {
  readonly name = 'resourcequota-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #quotas: Informer<ResourceQuota>;
  /** Only what some quota limits is watched; most clusters have none. */
  readonly #counted = new Map<ResourceKey, Counted>();
  #queue: Parameters<Reconciler['setup']>[0] | undefined;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#quotas = context.client.informer(RESOURCE_QUOTAS);
  }

  setup(queue: Parameters<Reconciler['setup']>[0]): void {
    this.#queue = queue;
    const add = (quota: ResourceQuota): void => queue.add(keyOf(quota));
    this.#quotas.subscribe({ added: add, updated: add });
    this.#watchDefinitions(queue);
  }

  /** A quota may limit a kind that does not exist yet, or that goes and comes back. */
  #watchDefinitions(queue: Parameters<Reconciler['setup']>[0]): void {
    const recount = (): void => {
      for (const quota of this.#quotas.list())
        if ([...resourcesOf(Object.keys(quota.spec?.hard ?? {}))].some(isCustom)) queue.addAfter(keyOf(quota), DISCOVERY_MS);
    };
    this.#context.client.informer(CUSTOM_RESOURCE_DEFINITIONS).subscribe({
      added: recount,
      updated: recount,
      deleted: ({ spec }) => {
        // Its cache ends with it.
        this.#counted.delete(keyOfResource({ group: spec.group, resource: spec.names.plural }));
        recount();
      },
    });
  }

  async reconcile(key: string): Promise<void> {
    const quota = this.#quotas.get(key);
    if (!quota) return;
    const hard = quota.spec?.hard ?? {};
    const used: Record<string, string> = {};
    for (const name of Object.keys(hard)) used[name] = '0';
    for (const resource of resourcesOf(Object.keys(hard))) {
      const counted = await this.#count(resource);
      if (counted) addUsage(quota, counted, used);
    }
    for (const [name, amount] of Object.entries(used)) used[name] = canonicalQuantity(amount);
    const status = { hard, used };
    if (semanticEqual(status, quota.status)) return;
    await unlessGone(this.#context.client.resource(RESOURCE_QUOTAS, quota.metadata.namespace).updateStatus({ ...quota, status }));
  }

  /** The cache of a resource, begun when the first quota asks for it. */
  async #count(key: ResourceKey): Promise<Counted | undefined> {
    const { client } = this.#context;
    const known = this.#counted.get(key);
    if (known) return known;
    const type = await typeOf(client, key);
    if (!type) return undefined;
    const informer = client.informer(type);
    await informer.start();
    // Another reconcile may have come here at the same time.
    const other = this.#counted.get(key);
    if (other) return other;
    const counted = { group: type.group, resource: type.resource, informer };
    this.#counted.set(key, counted);
    const note = ({ metadata }: ObjectWithMeta): void => {
      for (const quota of this.#quotas.listNamespace(metadata.namespace ?? '')) this.#queue!.addAfter(keyOf(quota), SETTLE_MS);
    };
    const usage = (object: ObjectWithMeta): unknown => usageOf(type, object as KubeObject);
    informer.subscribe({
      added: note,
      updated: (object, before) =>
        object.metadata.deletionTimestamp === before.metadata.deletionTimestamp && semanticEqual(usage(object), usage(before))
          ? undefined
          : note(object),
      deleted: note,
    });
    return counted;
  }
}

function addUsage(quota: ResourceQuota, { informer, ...type }: Counted, used: Record<string, string>): void {
  for (const object of informer.listNamespace(quota.metadata.namespace!)) {
    if (!inScope(quota, type, object as KubeObject)) continue;
    for (const [name, amount] of Object.entries(usageOf(type, object as KubeObject))) {
      const before = used[name];
      if (before !== undefined) used[name] = addQuantities(before, amount);
    }
  }
}
