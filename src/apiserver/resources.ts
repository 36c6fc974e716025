import { groupVersion } from '../api/meta.ts';
import type { ResourceInfo } from '../api/schema/schema.ts';
import type { ResourceLookup } from './contract.ts';
import { Fanout, type Trigger } from './watch/channel.ts';
import type { ResourceCache } from './watch/resource-cache.ts';
import type { WatchCache } from './watch/watch-cache.ts';

/** A served resource with what serves it. */
export interface ServedResource {
  /** As the URL asked for it. */
  info: ResourceInfo;
  /** The same resource in the version that it is stored in: its rules (defaults, strategy, validation) apply. `info` itself for most. */
  stored: ResourceInfo;
  cache: ResourceCache;
  fanout: Fanout;
}

/** The resources that are served now. Custom resources come and go at run time through `add` and `remove`. */
export class Resources {
  /** The same list for those who need no more than the facts. */
  readonly lookup: ResourceLookup;
  #generation = 0;
  #infos: readonly ResourceInfo[] | undefined;
  readonly #watchCache: WatchCache;
  readonly #served = new Map<string, ServedResource>();
  readonly #fanouts = new Map<string, Fanout>();
  readonly #changed = new Set<() => void>();

  constructor(watchCache: WatchCache, infos: readonly ResourceInfo[]) {
    this.#watchCache = watchCache;
    const generation = (): number => this.#generation;
    this.lookup = {
      get generation() {
        return generation();
      },
      find: (group, version, resource) => this.find(group, version, resource)?.info,
      all: () => this.infos(),
    };
    for (const info of infos) this.#put(info);
    this.#linkVersions();
  }

  find(group: string, version: string, resource: string): ServedResource | undefined {
    return this.#served.get(`${group}/${version}/${resource}`);
  }

  /** Throws when it is not served: for resources that the server itself relies on. */
  must(group: string, version: string, resource: string): ServedResource {
    const found = this.find(group, version, resource);
    if (!found) throw new Error(`resource ${resource} of ${groupVersion({ group, version })} is not served`);
    return found;
  }

  byKind(group: string, version: string, kind: string): ServedResource | undefined {
    for (const served of this.#served.values()) {
      if (served.info.kind === kind && served.info.group === group && served.info.version === version) return served;
    }
    return undefined;
  }

  hasGroupVersion(group: string, version: string): boolean {
    for (const { info } of this.#served.values()) if (info.group === group && info.version === version) return true;
    return false;
  }

  all(): readonly ServedResource[] {
    return [...this.#served.values()];
  }

  infos(): readonly ResourceInfo[] {
    return (this.#infos ??= this.all().map(({ info }) => info));
  }

  add(info: ResourceInfo): void {
    this.replace([], [info]);
  }

  remove(info: ResourceInfo): void {
    this.replace([info], []);
  }

  /** Both at once, so that nobody sees the state between. What is in both lists (by its group, version and resource) is served without a gap; its watches end. */
  replace(gone: readonly ResourceInfo[], come: readonly ResourceInfo[]): void {
    for (const info of gone) this.#served.delete(`${info.group}/${info.version}/${info.resource}`);
    for (const info of come) this.#put(info);
    this.#linkVersions();
    for (const { storagePrefix } of gone) this.#fanouts.get(storagePrefix)?.end();
    if (gone.length + come.length > 0) this.#announce();
  }

  onChange(listener: () => void): () => void {
    this.#changed.add(listener);
    return () => this.#changed.delete(listener);
  }

  #announce(): void {
    this.#generation++;
    this.#infos = undefined;
    for (const listener of this.#changed) listener();
  }

  #put(info: ResourceInfo): void {
    const cache = this.#watchCache.resource(info.storagePrefix);
    let fanout = this.#fanouts.get(info.storagePrefix);
    if (!fanout) {
      fanout = new Fanout(cache, info.storagePrefix === '/registry/pods' ? POD_NODE : undefined);
      this.#fanouts.set(info.storagePrefix, fanout);
    }
    this.#served.set(`${info.group}/${info.version}/${info.resource}`, { info, stored: info, cache, fanout });
  }

  #linkVersions(): void {
    const storedAs = new Map<string, ResourceInfo>();
    for (const { info } of this.#served.values()) if (groupVersion(info) === info.storageVersion) storedAs.set(info.storagePrefix, info);
    for (const served of this.#served.values())
      served.stored = served.info.custom ? served.info : (storedAs.get(served.info.storagePrefix) ?? served.info);
  }
}

/** What kubelets pin: each sees only its own node's pods. */
const POD_NODE: Trigger = {
  field: 'spec.nodeName',
  read: (entry) => (entry.object['spec'] as { nodeName?: string } | undefined)?.nodeName ?? '',
};
