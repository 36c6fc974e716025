import type { GroupVersionKind, ObjectWithMeta } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { EndpointSlice, ObjectMeta } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { ENDPOINT_SLICES } from '../../client/resources.ts';
import { controllerReference, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import type { SliceContent, SlicePlan } from './slice-plan.ts';
import { SliceTracker } from './slice-tracker.ts';

export const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';

/** Whom a Service's slices follow, and what labels they get besides their manager's. */
export interface SliceOwner {
  object: ObjectWithMeta;
  type: GroupVersionKind;
  labels: Readonly<Record<string, string>>;
  /** What annotations they have; without it those that they have stay. */
  annotations?: Readonly<Record<string, string>>;
}

/** The slices that one manager has made, found by the key of their Service; all writes to them. */
export class ManagedSlices {
  readonly #context: ComponentContext;
  readonly #manager: string;
  readonly #slices: Informer<EndpointSlice>;
  readonly #tracker: SliceTracker;

  constructor(context: ComponentContext, manager: string) {
    this.#context = context;
    this.#manager = manager;
    this.#slices = context.client.informer(ENDPOINT_SLICES);
    this.#tracker = new SliceTracker(context.clock);
    this.#slices.addIndex(manager, (slice) => {
      const service = this.#serviceOf(slice);
      return service ? [service] : [];
    });
  }

  /** Calls `changed` with the key of the Service of each slice that came, changed or went. */
  watch(changed: (serviceKey: string) => void): void {
    const note = (slice: EndpointSlice): void => {
      const service = this.#serviceOf(slice);
      if (service) changed(service);
    };
    this.#slices.subscribe({
      added: note,
      updated: (slice, previous) => {
        note(slice);
        // Somebody gave the slice away; its Service may need another.
        if (this.#serviceOf(previous) !== this.#serviceOf(slice)) {
          this.#tracker.sawDeletion(previous);
          note(previous);
        }
      },
      deleted: (slice) => {
        this.#tracker.sawDeletion(slice);
        note(slice);
      },
    });
  }

  /** The slices of a Service; undefined while the cache lacks what was written: the event of that leads to another look. */
  of(serviceKey: string, owner: ObjectWithMeta): EndpointSlice[] | undefined {
    const cached = this.#slices.byIndex(this.#manager, serviceKey);
    if (!this.#tracker.isCurrent(owner.metadata.uid!, cached)) return undefined;
    return cached.filter(({ metadata }) => !metadata.deletionTimestamp);
  }

  forget({ metadata }: ObjectWithMeta): void {
    this.#tracker.forget(metadata.uid!);
  }

  /** Carries the plan out, and relabels slices that would stay as they are. */
  async write(
    owner: SliceOwner,
    existing: readonly EndpointSlice[],
    { addressType, plan }: { addressType: string; plan: SlicePlan },
  ): Promise<void> {
    const labels = { ...owner.labels, [MANAGED_BY]: this.#manager };
    const touched = new Set([...plan.update.map(({ slice }) => slice), ...plan.delete]);
    const isLabelled = ({ metadata }: EndpointSlice): boolean =>
      semanticEqual(metadata.labels, labels) && (!owner.annotations || semanticEqual(metadata.annotations ?? {}, owner.annotations));
    const mislabelled = existing.filter((slice) => !touched.has(slice) && !isLabelled(slice));
    const relabel = mislabelled.map((slice) => ({ slice, content: { ports: slice.ports ?? [], endpoints: slice.endpoints ?? [] } }));
    for (const content of plan.create) await this.#create(owner, labels, { addressType, content });
    for (const { slice, content } of [...plan.update, ...relabel]) await this.#update(owner, labels, { slice, content });
    for (const slice of plan.delete) await this.delete(owner.object, slice);
  }

  async delete(owner: ObjectWithMeta, slice: EndpointSlice): Promise<void> {
    const { namespace, name } = slice.metadata;
    const deletion = this.#context.client.resource(ENDPOINT_SLICES, namespace).delete(name!);
    this.#tracker.removed(owner.metadata.uid!, slice);
    try {
      const done = await unlessGone(deletion.then(() => true));
      if (!done) this.#tracker.sawDeletion(slice);
    } catch (error) {
      this.#tracker.sawDeletion(slice);
      throw error;
    }
  }

  async #create(
    { object, type, annotations }: SliceOwner,
    labels: Record<string, string>,
    { addressType, content }: { addressType: string; content: SliceContent },
  ): Promise<void> {
    const { name, namespace, uid } = object.metadata;
    const metadata: ObjectMeta = {
      generateName: `${name}-`,
      namespace: namespace!,
      labels,
      ...(annotations ? { annotations } : {}),
      ownerReferences: [controllerReference(object, type)],
    };
    const slice = { metadata, addressType, endpoints: [...content.endpoints], ports: [...content.ports] };
    try {
      this.#tracker.wrote(uid!, await this.#context.client.resource(ENDPOINT_SLICES, namespace).create(slice));
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
  }

  async #update(
    { object, type, annotations }: SliceOwner,
    labels: Record<string, string>,
    { slice, content }: { slice: EndpointSlice; content: SliceContent },
  ): Promise<void> {
    const metadata = {
      ...slice.metadata,
      labels,
      ...(annotations ? { annotations } : {}),
      ownerReferences: [controllerReference(object, type)],
    };
    const update = { ...slice, metadata, endpoints: [...content.endpoints], ports: [...content.ports] };
    this.#tracker.wrote(object.metadata.uid!, await this.#context.client.resource(ENDPOINT_SLICES, metadata.namespace).update(update));
  }

  #serviceOf({ metadata }: EndpointSlice): string | undefined {
    const name = metadata.labels?.[SERVICE_NAME];
    return name && metadata.labels?.[MANAGED_BY] === this.#manager ? `${metadata.namespace}/${name}` : undefined;
  }
}
