/** What only admission asks of a ResourceQuota; what an object takes of one is in api/quota/usage.ts. */
import { compareQuantities, parseQuantity, subtractQuantities } from '../../api/codec/quantity.ts';
import { type Amounts, BARE } from '../../api/quota/usage.ts';
import type { Pod, ResourceQuota } from '../../api/types.gen.ts';

/** `compute resources` that a quota limits and some container does not say: `limits.cpu for: web`. */
export function unspecified({ spec }: ResourceQuota, { spec: pod }: Pod): string[] {
  const missing = new Map<string, string[]>();
  for (const name of Object.keys(spec?.hard ?? {})) {
    const [side, resource] = BARE.has(name) ? (['requests', name] as const) : (name.split('.', 2) as ['requests' | 'limits', string]);
    if ((side !== 'requests' && side !== 'limits') || !BARE.has(resource)) continue;
    for (const container of [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])]) {
      if (container.resources?.[side]?.[resource] === undefined) missing.set(name, [...(missing.get(name) ?? []), container.name]);
    }
  }
  return [...missing]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, containers]) => `${name} for: ${containers.toSorted().join(',')}`);
}

/** How much more `added` is than `before`; what did not grow is left out. */
export function growth(added: Amounts, before: Amounts): Amounts {
  const grown: Amounts = {};
  for (const [name, amount] of Object.entries(added)) {
    const had = before[name];
    if (had === undefined && parseQuantity(amount).nanos > 0n) grown[name] = amount;
    else if (had !== undefined && compareQuantities(amount, had) > 0) grown[name] = subtractQuantities(amount, had);
  }
  return grown;
}
