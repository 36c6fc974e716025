import type { ResourceLookup, StreamingHandler } from '../contract.ts';
import type { ServedVersions } from '../discovery/handler.ts';
import type { Registry } from '../registry/registry.ts';
import type { StoredObjects } from '../stored.ts';
import type { BackendOptions } from './backend.ts';
import { Backends, type Backend } from './backends.ts';
import type { LocalApis } from './contract.ts';
import { LocalApiRegistry, withLocalApis } from './local-apis.ts';
import { ManagedApiServices } from './managed.ts';
import { builtinPriority, CUSTOM_PRIORITY } from './priorities.ts';
import { backendFinder, remoteApis, remoteHandler, type RemoteApis } from './proxy.ts';

export interface AggregationOptions extends Omit<BackendOptions, 'clock' | 'rng'> {
  registry: Registry;
  objects: StoredObjects;
}

/** One API from many: what is stored here, what parts of this process answer, and what is served behind Services. */
export interface Aggregation {
  local: LocalApis & Pick<LocalApiRegistry, 'answer'>;
  /** Stored resources and those that this process answers. */
  resources: ResourceLookup;
  served: AggregatedVersions;
  takeover: StreamingHandler;
  remote: RemoteApis;
  /** Learns who serves what; call it when the cache is loaded. */
  load(): void;
  /** Resolves when every group version that is served here has its APIService; these are kept from then on. */
  keep(): Promise<void>;
  stop(): void;
}

/** What discovery and OpenAPI show beside the resources of `Aggregation.resources`. */
export interface AggregatedVersions extends ServedVersions {
  backends(): readonly Backend[];
}

export function createAggregation({ registry, objects, ...options }: AggregationOptions): Aggregation {
  const { clock, rng, log } = registry;
  const local = new LocalApiRegistry(() => registry.cache.revision);
  const backends = new Backends({ ...options, registry, objects, local, clock, rng, log });
  const managed = new ManagedApiServices(registry, local);
  const find = backendFinder(backends, local);
  return {
    local,
    resources: withLocalApis(objects.resources, local),
    served: aggregatedVersions(backends, local),
    takeover: remoteHandler(find),
    remote: remoteApis(find),
    load: () => backends.start(),
    keep: () => managed.start(),
    stop: () => {
      managed.stop();
      backends.stop();
    },
  };
}

function aggregatedVersions(backends: Backends, local: LocalApiRegistry): AggregatedVersions {
  const remote = (): readonly Backend[] => backends.all().filter(({ group, version }) => !local.find(`${group}/${version}`));
  return {
    get generation() {
      return backends.generation + local.generation;
    },
    backends: remote,
    foreign: () =>
      remote().map(({ group, version, available, resources = [] }) => ({
        group,
        version,
        freshness: available ? 'Current' : 'Stale',
        resources,
      })),
    priority: (version) => {
      const here = local.find(version);
      if (here) return { group: here.groupPriorityMinimum, version: here.versionPriority };
      return backends.find(version)?.priority ?? builtinPriority(version) ?? CUSTOM_PRIORITY;
    },
  };
}
