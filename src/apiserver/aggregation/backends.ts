import { isDeepStrictEqual } from 'node:util';
import { groupVersion, type KubeObject } from '../../api/meta.ts';
import { statusError, StatusError } from '../../api/status.ts';
import { timestamp } from '../../api/time.ts';
import type { APIService } from '../../api/types.gen.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Registry } from '../registry/registry.ts';
import { guardedChange } from '../registry/store.ts';
import type { ServedResource } from '../resources.ts';
import type { Target } from '../streaming/target.ts';
import type { StoredObjects } from '../stored.ts';
import { backendTarget, fetchFrom, type BackendOptions, type Fetched } from './backend.ts';
import { LOCAL, PASSED, withAvailability, type Availability } from './conditions.ts';
import type { LocalApiRegistry } from './local-apis.ts';
import { discoverVersion, type ResourceDiscovery } from './remote-discovery.ts';
import { onServiceChange, serviceLocator, type Located } from './services.ts';

/** A group version that is served behind a Service. */
export interface Backend {
  readonly group: string;
  readonly version: string;
  readonly priority: { group: number; version: number };
  readonly available: boolean;
  /** What it said that it serves when it last answered; undefined: it never did. */
  readonly resources: readonly ResourceDiscovery[] | undefined;
  /** Throws StatusError ServiceUnavailable when nobody is there. */
  target(): Target;
  fetch(path: string, headers: Readonly<Record<string, string>>): Promise<Fetched>;
}

interface State {
  name: string;
  service: APIService;
  available: boolean;
  resources: readonly ResourceDiscovery[] | undefined;
  failures: number;
  cancel: () => void;
}

export interface BackendsOptions extends BackendOptions {
  registry: Registry;
  objects: StoredObjects;
  local: LocalApiRegistry;
  log: Logger;
}

/** How often an API server that answers is looked at again, ms (upstream's resync). */
const RECHECK_MS = 30_000;
const RETRY = { baseMs: 500, maxMs: 30_000 };

/**
 * The APIServices that name a Service: whether each is available, which is written into its condition, and what it serves. An APIService is looked
 * at when it, its Service or its EndpointSlices change; one whose Service has endpoints also every 30 seconds, by asking it.
 */
export class Backends {
  readonly #options: BackendsOptions;
  readonly #locate: (reference: NonNullable<NonNullable<APIService['spec']>['service']>) => Located;
  readonly #states = new Map<string, State>();
  readonly #byVersion = new Map<string, Backend>();
  readonly #dirty = new Set<string>();
  readonly #checking = new Set<string>();
  readonly #stops: (() => void)[] = [];
  #watchingServices = false;
  #generation = 0;
  #stopped = false;

  constructor(options: BackendsOptions) {
    this.#options = options;
    this.#locate = serviceLocator(options.objects);
  }

  /** Grows when what is served changes. */
  get generation(): number {
    return this.#generation;
  }

  get size(): number {
    return this.#byVersion.size;
  }

  find(version: string): Backend | undefined {
    return this.#byVersion.get(version);
  }

  all(): readonly Backend[] {
    return [...this.#byVersion.values()];
  }

  /** Requests for what is registered are known as such from now on; whether they can be served is found out meanwhile. */
  start(): void {
    const served = this.#served();
    if (!served) return;
    for (const { name } of served.cache.list()) this.#enqueue(name);
    this.#stops.push(
      served.cache.subscribe((events) => events.forEach(({ entry }) => this.#enqueue(entry.name))),
      this.#options.local.onChange(() => [...this.#states.keys()].forEach((name) => this.#enqueue(name))),
    );
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops.splice(0)) stop();
    for (const { cancel } of this.#states.values()) cancel();
  }

  #served(): ServedResource | undefined {
    return this.#options.registry.resources.find('apiregistration.k8s.io', 'v1', 'apiservices');
  }

  #enqueue(name: string): void {
    this.#register(name);
    this.#dirty.add(name);
    void this.#work(name);
  }

  async #work(name: string): Promise<void> {
    if (this.#checking.has(name)) return;
    this.#checking.add(name);
    try {
      while (!this.#stopped && this.#dirty.delete(name)) await this.#check(name);
    } catch (error) {
      if (!this.#stopped) this.#options.log.warn('an APIService could not be checked', { name, error });
    } finally {
      this.#checking.delete(name);
    }
  }

  /** Takes note of the object at once, so that a request that follows its creation is not told 404. */
  #register(name: string): void {
    const service = this.#served()?.cache.get('', name)?.object as unknown as APIService | undefined;
    const before = this.#states.get(name);
    const version = (service ?? before?.service)?.spec;
    if (!version) return;
    const key = groupVersion({ group: version.group ?? '', version: version.version ?? '' });
    if (!service?.spec?.service) {
      before?.cancel();
      if (this.#states.delete(name)) this.#forget(key);
      return;
    }
    this.#watchServices();
    if (before) {
      const changed = !isDeepStrictEqual(before.service.spec, service.spec);
      before.service = service;
      if (changed) this.#generation++;
      return;
    }
    const state: State = { name, service, available: false, resources: undefined, failures: 0, cancel: () => undefined };
    this.#states.set(name, state);
    this.#byVersion.set(key, this.#backend(state));
    this.#generation++;
  }

  #forget(key: string): void {
    this.#byVersion.delete(key);
    this.#generation++;
  }

  #backend(state: State): Backend {
    const { group = '', version = '' } = state.service.spec!;
    const target = (): Target => backendTarget(state.service, this.#locate(state.service.spec!.service!), this.#options);
    return {
      group,
      version,
      get priority() {
        const { groupPriorityMinimum, versionPriority } = state.service.spec!;
        return { group: groupPriorityMinimum, version: versionPriority };
      },
      get available() {
        return state.available;
      },
      get resources() {
        return state.resources;
      },
      target: () => {
        if (!state.available) throw statusError('ServiceUnavailable', 'service unavailable');
        return target();
      },
      fetch: (path, headers) => fetchFrom(target(), this.#options.clock, path, headers),
    };
  }

  /** Services matter only where an APIService names one. */
  #watchServices(): void {
    if (this.#watchingServices) return;
    this.#watchingServices = true;
    const all = (): APIService[] => [...this.#states.values()].map(({ service }) => service);
    this.#stops.push(onServiceChange(this.#options.objects, all, (name) => this.#enqueue(name)));
  }

  async #check(name: string): Promise<void> {
    const object = this.#served()?.cache.get('', name)?.object;
    if (!object) return;
    const { spec } = object as unknown as APIService;
    const state = this.#states.get(name);
    if (!state) return this.#write(name, LOCAL);
    state.cancel();
    const isLocal = this.#options.local.find(groupVersion({ group: spec!.group ?? '', version: spec!.version ?? '' })) !== undefined;
    const availability = isLocal ? PASSED : await this.#ask(state);
    if (this.#stopped) return;
    if (state.available !== availability.available) {
      state.available = availability.available;
      this.#generation++;
    }
    await this.#write(name, availability);
  }

  async #ask(state: State): Promise<Availability> {
    const located = this.#locate(state.service.spec!.service!);
    if ('missing' in located) return { available: false, ...located.missing };
    try {
      await this.#discover(state);
      state.failures = 0;
      this.#later(state, RECHECK_MS);
      return PASSED;
    } catch (error) {
      this.#later(state, backoffDelay(state.failures++, RETRY));
      return { available: false, reason: 'FailedDiscoveryCheck', message: errorMessage(error) };
    }
  }

  async #discover(state: State): Promise<void> {
    const { group = '', version = '' } = state.service.spec!;
    const target = backendTarget(state.service, this.#locate(state.service.spec!.service!), this.#options);
    const url = `https://${target.authority}/apis/${group}/${version}`;
    const get = (path: string, accept: string): Promise<Fetched> => fetchFrom(target, this.#options.clock, path, { accept });
    const probe = await get(`/apis/${group}/${version}`, 'application/json').catch((error: unknown) => {
      throw new Error(`failing or missing response from ${url}: ${errorMessage(error)}`, { cause: error });
    });
    if (probe.status < 200 || probe.status >= 300)
      throw new Error(`failing or missing response from ${url}: bad status from ${url}: ${probe.status}`);
    const resources = await discoverVersion(get, group, version);
    if (isDeepStrictEqual(resources, state.resources)) return;
    state.resources = resources;
    this.#generation++;
  }

  #later(state: State, ms: number): void {
    state.cancel = this.#options.clock.timer(ms, () => this.#enqueue(state.name));
  }

  async #write(name: string, availability: Availability): Promise<void> {
    const now = timestamp(this.#options.clock.now());
    const attempt = ({ object }: { object: KubeObject }): { put: KubeObject } | { keep: true } => {
      const next = withAvailability(object, availability, now);
      return next === object ? { keep: true } : { put: next };
    };
    try {
      await guardedChange(this.#options.registry, this.#served()!, { namespace: '', name }, attempt, { dryRun: false });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }
}
