/**
 * Things in an nftables table, each with a place, a key in it and a value: map elements, chains, sets. Several Services may ask for the
 * same one (a pod that serves two of them, a chain for three endpoints): it stays until the last owner lets go, and holds what the first
 * of them asked for. Notes what changed since the last commit, which is what a transaction has to say.
 */
export interface Item {
  /** The map or set that an element is in; `chain:` and `set:` for chains and sets themselves. */
  at: string;
  key: string;
  /** An element's data, a chain's rules, a set's declaration; '' for an element of a plain set. */
  value: string;
}

export interface Change {
  at: string;
  key: string;
  before: string | undefined;
  after: string | undefined;
}

export class RuleTable {
  /** at → key → owner → value */
  readonly #slots = new Map<string, Map<string, Map<string, string>>>();
  readonly #owned = new Map<string, Map<string, Item>>();
  /** The committed values of what was touched since. */
  readonly #touched = new Map<string, Change>();

  /** Makes `items` all that this owner asks for. */
  replace(owner: string, items: readonly Item[]): void {
    const previous = this.#owned.get(owner) ?? new Map<string, Item>();
    const next = new Map(items.map((item) => [idOf(item), item]));
    for (const [id, item] of previous) if (!next.has(id)) this.#write(owner, item, undefined);
    for (const [id, item] of next) if (previous.get(id)?.value !== item.value) this.#write(owner, item, item.value);
    if (next.size > 0) this.#owned.set(owner, next);
    else this.#owned.delete(owner);
  }

  /** What differs from the last commit. */
  changes(): Change[] {
    return [...this.#touched.values()]
      .map((change) => ({ ...change, after: this.#valueOf(change.at, change.key) }))
      .filter(({ before, after }) => before !== after);
  }

  /** Everything there is, as changes from nothing. */
  everything(): Change[] {
    return [...this.#slots].flatMap(([at, keys]) =>
      [...keys.keys()].map((key) => ({ at, key, before: undefined, after: this.#valueOf(at, key) })),
    );
  }

  commit(): void {
    this.#touched.clear();
  }

  #valueOf(at: string, key: string): string | undefined {
    return this.#slots.get(at)?.get(key)?.values().next().value;
  }

  #write(owner: string, item: Item, value: string | undefined): void {
    const { at, key } = item;
    const id = idOf(item);
    if (!this.#touched.has(id)) this.#touched.set(id, { at, key, before: this.#valueOf(at, key), after: undefined });
    const keys = getOr(this.#slots, at);
    const owners = getOr(keys, key);
    if (value === undefined) owners.delete(owner);
    else owners.set(owner, value);
    if (owners.size === 0) keys.delete(key);
  }
}

const idOf = ({ at, key }: { at: string; key: string }): string => `${at}\n${key}`;

function getOr<V>(map: Map<string, Map<string, V>>, key: string): Map<string, V> {
  let found = map.get(key);
  if (!found) map.set(key, (found = new Map<string, V>()));
  return found;
}
