import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import { StatusError } from '../../api/status.ts';
import type { CustomResourceDefinition } from '../../api/types.gen.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { AdmissionPlugin, ObjectSource } from '../contract.ts';
import { timestamp } from '../../api/time.ts';
import { CLEANUP } from '../registry/deletion.ts';
import type { Registry } from '../registry/registry.ts';
import { guardedChange, type Change } from '../registry/store.ts';
import type { ServedResource } from '../resources.ts';
import type { Entry } from '../watch/entry.ts';
import type { WebhookConversion } from '../../api/crd/rules.ts';
import { checkDefinition } from './admission.ts';
import { isEstablished, statusOf, withCondition } from './names.ts';
import { serviceAddress } from './service-address.ts';

/** What keeps the served resources in line with the CustomResourceDefinitions. */
export interface Definitions {
  /** Refuses definitions that could not be served. */
  admission: AdmissionPlugin;
  /** Serves what is defined, and follows the definitions from then on. Costs nothing where there are none. */
  load(): Promise<void>;
  stop(): void;
}

export interface DefinitionsOptions {
  registry: Registry;
  source: ObjectSource;
}

export function createDefinitions(options: DefinitionsOptions): Definitions {
  const controller = new Controller(options);
  return { admission: checkDefinition, load: () => controller.load(), stop: () => controller.stop() };
}

/**
 * A definition goes
 *
 *     created --names accepted--> served, Established --DELETE--> Terminating: no creates --objects gone--> finalizer off, not served
 *
 * A resource is served before its definition says Established, so that who saw the one can use the other. One definition is
 * looked at after the other; a failure is tried again.
 */
class Controller {
  readonly #registry: Registry;
  readonly #source: ObjectSource;
  /** By the definition's name. */
  readonly #served = new Map<string, { key: string; infos: readonly ResourceInfo[] }>();
  /** Names whose objects are being waited for, with how to stop listening. */
  readonly #waiting = new Map<string, () => void>();
  readonly #dirty = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #stops: (() => void)[] = [];
  #working = false;
  #stopped = false;

  constructor({ registry, source }: DefinitionsOptions) {
    this.#registry = registry;
    this.#source = source;
  }

  async load(): Promise<void> {
    const resource = this.#definitions();
    if (!resource) return;
    for (const { object } of resource.cache.list()) {
      const definition = object as unknown as CustomResourceDefinition;
      if (isEstablished(definition.status)) await this.#serve(definition);
      this.#dirty.add(definition.metadata.name!);
    }
    this.#stops.push(
      resource.cache.subscribe((events) => {
        for (const { entry } of events) this.#enqueue(entry.name);
      }),
    );
    void this.#work();
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of [...this.#stops.splice(0), ...this.#waiting.values()]) stop();
  }

  #definitions(): ServedResource | undefined {
    return this.#registry.resources.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
  }

  #enqueue(name: string): void {
    this.#dirty.add(name);
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (const name of this.#dirty) {
      if (this.#stopped) break;
      this.#dirty.delete(name);
      try {
        await this.#reconcile(name);
        this.#failures.delete(name);
      } catch (error) {
        this.#retry(name, error);
      }
    }
    this.#working = false;
  }

  #retry(name: string, error: unknown): void {
    if (this.#stopped) return;
    const failures = this.#failures.get(name) ?? 0;
    this.#failures.set(name, failures + 1);
    this.#registry.log.warn('a custom resource definition could not be served', { name, error });
    this.#stops.push(this.#registry.clock.timer(backoffDelay(failures, { baseMs: 20, maxMs: 30_000 }), () => this.#enqueue(name)));
  }

  async #reconcile(name: string): Promise<void> {
    const resource = this.#definitions()!;
    const entry = resource.cache.get('', name);
    if (!entry) return this.#withdraw(name);
    const definition = entry.object as unknown as CustomResourceDefinition;
    if (definition.metadata.deletionTimestamp && definition.metadata.finalizers?.includes(CLEANUP)) return this.#cleanUp(definition);
    await this.#change(name, async (live) => {
      const current = live.object as unknown as CustomResourceDefinition;
      const others = resource.cache.list().map(({ object }) => object as unknown as CustomResourceDefinition);
      const status = statusOf(current, others, timestamp(this.#registry.clock.now()));
      if (isEstablished(status)) await this.#serve({ ...current, status });
      return status === current.status ? { keep: true } : { put: withStatus(live.object, status) };
    });
  }

  /** What the definition now says is served; the same state twice is no work. */
  async #serve(definition: CustomResourceDefinition): Promise<void> {
    const { metadata, status } = definition;
    const before = this.#served.get(metadata.name!);
    const names = JSON.stringify(status?.acceptedNames);
    const key = `${metadata.uid} ${metadata.generation} ${metadata.deletionTimestamp ?? ''} ${names}`;
    if (before?.key === key) return;
    const { resourcesOf } = await import('../../api/crd/rules.ts');
    const { resources } = this.#registry;
    // Nothing that is built in can be taken over.
    const infos = resourcesOf(definition, await this.#webhook(definition)).filter((info) => {
      const present = resources.find(info.group, info.version, info.resource);
      return !present || present.info.custom !== undefined;
    });
    resources.replace(before?.infos ?? [], infos);
    this.#served.set(metadata.name!, { key, infos });
  }

  async #webhook(definition: CustomResourceDefinition): Promise<WebhookConversion | undefined> {
    if (definition.spec.conversion?.strategy !== 'Webhook') return undefined;
    const [{ converter }, { rememberedConversion }] = await Promise.all([import('./webhook.ts'), import('./converted.ts')]);
    const { clock, rng, resources } = this.#registry;
    const locate = serviceAddress({ source: this.#source, resources: resources.lookup });
    return rememberedConversion(definition, converter(definition, { clock, rng, locate }));
  }

  #withdraw(name: string): void {
    this.#waiting.get(name)?.();
    this.#waiting.delete(name);
    const served = this.#served.get(name);
    this.#served.delete(name);
    if (served) this.#registry.resources.replace(served.infos, []);
    // Names that it held are free for those who asked in vain.
    for (const { object } of this.#definitions()!.cache.list()) {
      const other = object as unknown as CustomResourceDefinition;
      if (other.status?.conditions?.some(({ type, status }) => type === 'NamesAccepted' && status === 'False'))
        this.#dirty.add(other.metadata.name!);
    }
  }

  /** Objects go first, those with finalizers when these are done; then the definition. */
  async #cleanUp(definition: CustomResourceDefinition): Promise<void> {
    const name = definition.metadata.name!;
    await this.#serve(definition);
    await this.#terminating(name, 'True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress');
    const [info] = this.#served.get(name)?.infos ?? [];
    if (info && (await this.#deleteObjects(name, info)) > 0) return;
    await this.#change(name, (live) => {
      const finalizers = (live.object.metadata.finalizers ?? []).filter((each) => each !== CLEANUP);
      if (finalizers.length === 0) return { remove: true };
      const done = withTerminating(live.object, 'False', 'InstanceDeletionCompleted', 'removed all instances', this.#now());
      return { put: { ...done, metadata: { ...done.metadata, finalizers } } };
    });
  }

  /** How many are left, waiting for their finalizers: when one goes, the definition is looked at again. */
  async #deleteObjects(name: string, info: ResourceInfo): Promise<number> {
    await this.#registry.cache.fresh();
    const { cache } = this.#registry.resources.must(info.group, info.version, info.resource);
    for (const entry of cache.list()) {
      if (!entry.object.metadata.deletionTimestamp) await this.#deleteOne(info, entry);
    }
    await this.#registry.cache.fresh();
    if (cache.size > 0 && !this.#waiting.has(name))
      this.#waiting.set(
        name,
        cache.subscribe(() => cache.size === 0 && this.#enqueue(name)),
      );
    return cache.size;
  }

  async #deleteOne(info: ResourceInfo, { namespace, name }: Entry): Promise<void> {
    try {
      await this.#source.delete(info, namespace, name);
    } catch (error) {
      // Somebody else was faster.
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }

  #terminating(name: string, status: string, reason: string, message: string): Promise<void> {
    return this.#change(name, (live) => {
      const next = withTerminating(live.object, status, reason, message, this.#now());
      return next === live.object ? { keep: true } : { put: next };
    });
  }

  #now(): string {
    return timestamp(this.#registry.clock.now());
  }

  async #change(name: string, attempt: (live: Entry) => Change | Promise<Change>): Promise<void> {
    try {
      await guardedChange(this.#registry, this.#definitions()!, { namespace: '', name }, attempt, { dryRun: false });
    } catch (error) {
      // Gone in between: its event withdraws it.
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }
}

function withStatus(object: KubeObject, status: CustomResourceDefinition['status']): KubeObject {
  return { ...object, metadata: { ...object.metadata }, status };
}

function withTerminating(object: KubeObject, status: string, reason: string, message: string, now: string): KubeObject {
  const before = object['status'] as CustomResourceDefinition['status'];
  const conditions = before?.conditions ?? [];
  const next = withCondition(conditions, { type: 'Terminating', status, lastTransitionTime: now, reason, message });
  return next === conditions ? object : withStatus(object, { ...before, conditions: [...next] });
}
