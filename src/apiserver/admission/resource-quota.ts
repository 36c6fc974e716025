import { addQuantities, canonicalQuantity, compareQuantities } from '../../api/codec/quantity.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { Pod, ResourceQuota } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { type Amounts, inScope, usageOf } from '../../api/quota/usage.ts';
import { growth, unspecified } from './quota-usage.ts';
import { isFor, refuse } from './refuse.ts';

/** An admitted object that the cache does not show after so long was never stored. */
const RESERVED_MS = 5000;

/**
 * Refuses what would exceed a quota. Usage is counted from the cache, so it cannot drift; objects that are admitted and not yet in the
 * cache are remembered, so that requests side by side cannot pass together.
 */
export function resourceQuota(objects: StoredObjects & { clock: Clock }): AdmissionPlugin {
  const quotas = stored<ResourceQuota>(objects, '', 'v1', 'resourcequotas');
  const reservations = new Reservations(objects.clock);
  return {
    name: 'ResourceQuota',
    validate(request) {
      const { operation, resource, namespace, object, oldObject } = request;
      if (!namespace || !object || !countedOperation(request)) return;
      const own = quotas.list(namespace).filter((quota) => quota.spec?.hard && inScope(quota, resource, object));
      if (own.length === 0) return;
      const usage = usageOf(resource, object);
      const grown = operation === 'UPDATE' ? growth(usage, usageOf(resource, oldObject!)) : usage;
      const others = objects.source
        .list(resource, namespace)
        .filter(({ metadata }) => operation !== 'UPDATE' || metadata.uid !== oldObject!.metadata.uid);
      const counted = [...others, ...(operation === 'UPDATE' ? [oldObject!] : []), ...reservations.of(resource, namespace, others)];
      for (const quota of own) check(request, quota, grown, counted);
      if (operation === 'CREATE' && !request.dryRun) reservations.add(resource, namespace, object);
    },
  };
}

function countedOperation(request: AdmissionRequest): boolean {
  const { operation, subresource } = request;
  if (operation === 'CREATE') return subresource === '';
  if (operation !== 'UPDATE') return false;
  return isFor(request, '', 'pods', 'resize') || isFor(request, '', 'services') || isFor(request, '', 'persistentvolumeclaims');
}

function check(request: AdmissionRequest, quota: ResourceQuota, grown: Amounts, counted: readonly KubeObject[]): void {
  const { resource } = request;
  const name = quota.metadata.name!;
  const hard = quota.spec!.hard!;
  if (isFor(request, '', 'pods')) {
    const missing = unspecified(quota, request.object as unknown as Pod);
    if (missing.length > 0) throw refuse(request, `failed quota: ${name}: must specify ${missing.join('; ')}`);
  }
  const limited = Object.keys(grown)
    .filter((key) => hard[key] !== undefined)
    .toSorted();
  if (limited.length === 0) return;
  const used = total(
    counted.filter((object) => inScope(quota, resource, object)).map((object) => usageOf(resource, object)),
    limited,
  );
  const exceeded = limited.filter((key) => compareQuantities(addQuantities(used[key]!, grown[key]!), hard[key]!) > 0);
  if (exceeded.length === 0) return;
  const show = (amounts: Amounts): string => exceeded.map((key) => `${key}=${canonicalQuantity(amounts[key]!)}`).join(',');
  throw refuse(request, `exceeded quota: ${name}, requested: ${show(grown)}, used: ${show(used)}, limited: ${show(hard)}`);
}

function total(usages: readonly Amounts[], names: readonly string[]): Amounts {
  const sums: Amounts = {};
  for (const name of names) {
    const amounts = usages.map((usage) => usage[name]).filter((amount) => amount !== undefined);
    sums[name] = amounts.length > 0 ? addQuantities(...amounts) : '0';
  }
  return sums;
}

/** Objects between admission and the cache. */
class Reservations {
  readonly #clock: Clock;
  readonly #held = new Map<string, { object: KubeObject; since: number }[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(resource: ResourceInfo, namespace: string, object: KubeObject): void {
    const key = `${resource.group}/${resource.resource}/${namespace}`;
    this.#held.set(key, [...(this.#held.get(key) ?? []), { object, since: this.#clock.now() }]);
  }

  /** Those that are not among `shown` yet. */
  of(resource: ResourceInfo, namespace: string, shown: readonly KubeObject[]): KubeObject[] {
    const key = `${resource.group}/${resource.resource}/${namespace}`;
    const held = this.#held.get(key);
    if (!held) return [];
    const names = new Set(shown.map(({ metadata }) => metadata.name));
    const kept = held.filter(({ object, since }) => since + RESERVED_MS > this.#clock.now() && !names.has(object.metadata.name));
    if (kept.length > 0) this.#held.set(key, kept);
    else this.#held.delete(key);
    return kept.map(({ object }) => object);
  }
}
