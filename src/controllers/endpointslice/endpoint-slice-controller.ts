import { semanticEqual } from '../../api/patch/json.ts';
import type { EndpointSlice, Node, Service } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { ENDPOINT_SLICES, NODES, SERVICES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { controllerReference, unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating } from '../pods/pod-control.ts';
import { familiesOf, isHeadless, selectsPods, ServicePods } from '../servicepods/service-pods.ts';
import { portGroups } from './endpoints-of.ts';
import { planSlices, type SliceContent, type SlicePlan } from './slice-plan.ts';
import { SliceTracker, TRACKING_TIMEOUT_MS } from './slice-tracker.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const ZONE = 'topology.kubernetes.io/zone';
const SERVICE_INDEX = 'managed-by-and-service';

/** Each Service with a selector has EndpointSlices with the addresses of its pods. */
export function createEndpointSliceController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EndpointSliceController(context))];
}

class EndpointSliceController implements Reconciler {
  readonly name = 'endpointslice-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #backends: ServicePods;
  readonly #slices: Informer<EndpointSlice>;
  readonly #nodes: Informer<Node>;
  readonly #tracker: SliceTracker;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#backends = new ServicePods(context.client);
    this.#slices = context.client.informer(ENDPOINT_SLICES);
    this.#nodes = context.client.informer(NODES);
    this.#tracker = new SliceTracker(context.clock);
    this.#slices.addIndex(SERVICE_INDEX, (slice) => {
      const service = serviceOf(slice);
      return service ? [service] : [];
    });
  }

  setup(queue: { add(key: string): void }): void {
    this.#backends.watch((key) => queue.add(key));
    this.#backends.services.subscribe({ deleted: ({ metadata }) => this.#tracker.forget(metadata.uid!) });
    const note = (slice: EndpointSlice): void => {
      const service = serviceOf(slice);
      if (service) queue.add(service);
    };
    this.#slices.subscribe({
      added: note,
      updated: (slice, previous) => {
        note(slice);
        // Somebody gave the slice away; its Service may need another.
        if (serviceOf(previous) !== serviceOf(slice)) {
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

  async reconcile(key: string): Promise<ReconcileResult> {
    const service = this.#backends.services.get(key);
    // Slices of a Service that is gone are the garbage collector's.
    if (!service || service.metadata.deletionTimestamp || !selectsPods(service)) return;
    const cached = this.#slices.byIndex(SERVICE_INDEX, key);
    // The event of what is missing brings the Service here again.
    if (!this.#tracker.isCurrent(service.metadata.uid!, cached)) return { afterMs: TRACKING_TIMEOUT_MS };
    const slices = cached.filter(({ metadata }) => !metadata.deletionTimestamp);
    const families = familiesOf(service);
    const pods = this.#backends.of(service);
    const zoneOf = (name: string): string | undefined => this.#nodes.get(name)?.metadata.labels?.[ZONE];
    for (const slice of slices) if (!families.includes(slice.addressType as 'IPv4')) await this.#delete(service, slice);
    for (const family of families) {
      const existing = slices.filter(({ addressType }) => addressType === family);
      const plan = planSlices(existing, portGroups({ service, pods, family, zoneOf }));
      this.#addStaleLabels(service, existing, plan);
      await this.#carryOut(service, family, plan);
    }
  }

  /** Slices whose endpoints stay but whose Service has other labels now. */
  #addStaleLabels(service: Service, existing: readonly EndpointSlice[], plan: SlicePlan): void {
    const labels = labelsOf(service);
    const written = new Set([...plan.update.map(({ slice }) => slice), ...plan.delete]);
    for (const slice of existing) {
      if (written.has(slice) || semanticEqual(slice.metadata.labels, labels)) continue;
      plan.update.push({ slice, content: { ports: slice.ports ?? [], endpoints: slice.endpoints ?? [] } });
    }
  }

  async #carryOut(service: Service, addressType: string, plan: SlicePlan): Promise<void> {
    for (const content of plan.create) await this.#create(service, addressType, content);
    for (const { slice, content } of plan.update) await this.#update(service, slice, content);
    for (const slice of plan.delete) await this.#delete(service, slice);
  }

  async #create(service: Service, addressType: string, { ports, endpoints }: SliceContent): Promise<void> {
    const { name, namespace, uid } = service.metadata;
    const ownerReferences = [controllerReference(service, SERVICES)];
    const metadata = { generateName: `${name}-`, namespace: namespace!, labels: labelsOf(service), ownerReferences };
    try {
      const created = await this.#context.client
        .resource(ENDPOINT_SLICES, namespace)
        .create({ metadata, addressType, endpoints: [...endpoints], ports: [...ports] });
      this.#tracker.wrote(uid!, created);
    } catch (error) {
      if (!isNamespaceTerminating(error)) throw error;
    }
  }

  async #update(service: Service, slice: EndpointSlice, { ports, endpoints }: SliceContent): Promise<void> {
    const metadata = { ...slice.metadata, labels: labelsOf(service), ownerReferences: [controllerReference(service, SERVICES)] };
    const update = { ...slice, metadata, endpoints: [...endpoints], ports: [...ports] };
    const written = await this.#context.client.resource(ENDPOINT_SLICES, metadata.namespace).update(update);
    this.#tracker.wrote(service.metadata.uid!, written);
  }

  async #delete(service: Service, slice: EndpointSlice): Promise<void> {
    const { namespace, name } = slice.metadata;
    this.#tracker.removed(service.metadata.uid!, slice);
    try {
      const gone = await unlessGone(
        this.#context.client
          .resource(ENDPOINT_SLICES, namespace)
          .delete(name!)
          .then(() => true),
      );
      if (!gone) this.#tracker.sawDeletion(slice);
    } catch (error) {
      this.#tracker.sawDeletion(slice);
      throw error;
    }
  }
}

/** The key of the Service that a slice of ours belongs to. */
function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME];
  return name && metadata.labels?.[MANAGED_BY] === MANAGER ? `${metadata.namespace}/${name}` : undefined;
}

/** The Service's own labels come along, but none can pretend to be one of these. */
function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS]: _headless, ...own } = service.metadata.labels ?? {};
  return { ...own, ...(isHeadless(service) ? { [HEADLESS]: '' } : {}), [SERVICE_NAME]: service.metadata.name!, [MANAGED_BY]: MANAGER };
}
