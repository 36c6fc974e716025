/**
 * The APIService objects of what the server serves itself: one for each group version, there as long as it is served (upstream's
 * autoregistration). An object whose label somebody took away is theirs.
 */
import { isDeepStrictEqual } from 'node:util';
import { groupVersion, type KubeObject } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { APIService, APIServiceSpec } from '../../api/types.gen.ts';
import { StorageError } from '../../storage/storage.ts';
import type { Registry } from '../registry/registry.ts';
import { guardedChange, storeNew } from '../registry/store.ts';
import type { Priority } from '../discovery/documents.ts';
import type { ServedResource } from '../resources.ts';
import { LOCAL, withAvailability } from './conditions.ts';
import type { LocalApiRegistry } from './local-apis.ts';
import { builtinPriority, CUSTOM_PRIORITY } from './priorities.ts';

const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged';
const GROUP = 'apiregistration.k8s.io';

export class ManagedApiServices {
  readonly #registry: Registry;
  readonly #local: LocalApiRegistry;
  readonly #stops: (() => void)[] = [];
  #working = false;
  #again = false;
  #stopped = false;

  constructor(registry: Registry, local: LocalApiRegistry) {
    this.#registry = registry;
    this.#local = local;
  }

  /** Resolves when the objects are there; they are kept from then on. */
  async start(): Promise<void> {
    const served = this.#served();
    if (!served || this.#stopped) return;
    const enqueue = (): void => void this.#sync(served);
    this.#stops.push(
      this.#registry.resources.onChange(enqueue),
      this.#local.onChange(enqueue),
      served.cache.subscribe((events) => events.some(({ type }) => type === 'DELETED') && enqueue()),
    );
    await this.#sync(served);
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops.splice(0)) stop();
  }

  #served(): ServedResource | undefined {
    return this.#registry.resources.find(GROUP, 'v1', 'apiservices');
  }

  async #sync(served: ServedResource): Promise<void> {
    this.#again = true;
    if (this.#working) return;
    this.#working = true;
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        await this.#pass(served);
      }
    } catch (error) {
      if (!this.#stopped) this.#registry.log.warn('the APIService objects could not be brought up to date', { error });
    } finally {
      this.#working = false;
    }
  }

  async #pass(served: ServedResource): Promise<void> {
    const wanted = this.#wanted();
    const live = new Map(served.cache.list().map((entry) => [entry.name, entry.object]));
    const gone = [...live.values()].filter((object) => isManaged(object) && !wanted.has(object.metadata.name!));
    await Promise.all([
      ...[...wanted.values()].map((object) => this.#ensure(served, object, live.get(object.metadata.name!))),
      ...gone.map(({ metadata }) =>
        this.#change(served, metadata.name!, (object) => (isManaged(object) ? { remove: true } : { keep: true })),
      ),
    ]);
  }

  async #ensure(served: ServedResource, wanted: APIService, live: KubeObject | undefined): Promise<void> {
    if (!live) return this.#create(served, wanted);
    const { service } = live['spec'] as APIServiceSpec;
    // Who names a Service in one of ours means it.
    if (!isManaged(live) || service || isDeepStrictEqual(live['spec'], wanted.spec)) return;
    await this.#change(served, wanted.metadata.name!, (object) => ({
      put: { ...object, metadata: { ...object.metadata }, spec: wanted.spec },
    }));
  }

  async #create(served: ServedResource, wanted: APIService): Promise<void> {
    const { clock, rng } = this.#registry;
    const now = timestamp(clock.now());
    const metadata = { ...wanted.metadata, uid: rng.uuid(), creationTimestamp: now };
    try {
      await storeNew(this.#registry, served, withAvailability({ ...wanted, metadata }, LOCAL, now), {
        dryRun: false,
      });
    } catch (error) {
      // Somebody has made one of this name: it is theirs.
      if (!(error instanceof StorageError && error.code === 'KeyExists')) throw error;
    }
  }

  async #change(
    served: ServedResource,
    name: string,
    change: (object: KubeObject) => { put: KubeObject } | { remove: true } | { keep: true },
  ): Promise<void> {
    try {
      await guardedChange(this.#registry, served, { namespace: '', name }, ({ object }) => change(object), { dryRun: false });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }

  #wanted(): Map<string, APIService> {
    const found = new Map<string, APIService>();
    const add = (group: string, version: string, { lasting, priority }: { lasting: boolean; priority: Priority }): void => {
      const name = `${version}.${group}`;
      if (group === GROUP || found.has(name)) return;
      const spec = { ...(group ? { group } : {}), version, groupPriorityMinimum: priority.group, versionPriority: priority.version };
      found.set(name, apiService(name, lasting ? 'onstart' : 'true', spec));
    };
    for (const { group, version, custom, legacy } of this.#registry.resources.infos()) {
      const priority = (custom ? undefined : builtinPriority(groupVersion({ group, version }))) ?? CUSTOM_PRIORITY;
      add(group, version, { lasting: !custom && !legacy, priority });
    }
    for (const { group, version, groupPriorityMinimum, versionPriority } of this.#local.all())
      add(group, version, { lasting: false, priority: { group: groupPriorityMinimum, version: versionPriority } });
    return found;
  }
}

function isManaged({ metadata }: KubeObject): boolean {
  return metadata.labels?.[AUTOMANAGED] !== undefined;
}

function apiService(name: string, managed: string, spec: APIServiceSpec): APIService {
  return { kind: 'APIService', apiVersion: `${GROUP}/v1`, metadata: { name, labels: { [AUTOMANAGED]: managed } }, spec };
}
