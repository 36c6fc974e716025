import { keyOf } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Endpoint, EndpointSlice, Service } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { SERVICES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { familiesOf, isHeadless, selectsPods, ServicePods } from '../servicepods/service-pods.ts';
import { messageOf } from '../pods/pod-control.ts';
import { endpointId, portGroups, type PortGroup } from './endpoints-of.ts';
import { allocateZones, HINTS_DISABLED, HINTS_ENABLED, isTopologyAware } from './hints.ts';
import { ManagedSlices, SERVICE_NAME } from './managed-slices.ts';
import { NodeZones } from './node-zones.ts';
import { planSlices } from './slice-plan.ts';
import { TRACKING_TIMEOUT_MS } from './slice-tracker.ts';

const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
/** The key under which all Services are looked at again; those go by `namespace/name`. */
const ALL_SERVICES = 'all';

type Queue = Parameters<Reconciler['setup']>[0];
type Family = 'IPv4' | 'IPv6';

/** Each Service with a selector has EndpointSlices with the addresses of its pods. */
export function createEndpointSliceController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EndpointSliceController(context))];
}

class EndpointSliceController implements Reconciler {
  readonly name = 'endpointslice-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #backends: ServicePods;
  readonly #slices: ManagedSlices;
  readonly #zones: NodeZones;
  /** By Service key and family, what was last said about its hints. */
  readonly #told = new Map<string, string>();
  #queue: Queue | undefined;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#backends = new ServicePods(context.client);
    this.#slices = new ManagedSlices(context, MANAGER);
    this.#zones = new NodeZones(context.client);
  }

  setup(queue: Queue): void {
    this.#queue = queue;
    this.#backends.watch((key) => queue.add(key));
    this.#backends.services.subscribe({
      deleted: (service) => {
        this.#slices.forget(service);
        for (const family of ['IPv4', 'IPv6']) this.#told.delete(`${keyOf(service)} ${family}`);
      },
    });
    this.#slices.watch((key) => queue.add(key));
    this.#zones.watch(() => queue.add(ALL_SERVICES));
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    if (key === ALL_SERVICES) return this.#backends.services.list().forEach((service) => this.#queue!.add(keyOf(service)));
    const service = this.#backends.services.get(key);
    // Slices of a Service that is gone are the garbage collector's.
    if (!service || service.metadata.deletionTimestamp || !selectsPods(service)) return;
    const slices = this.#slices.of(key, service);
    if (!slices) return { afterMs: TRACKING_TIMEOUT_MS };
    try {
      await this.#bringInLine(service, slices);
    } catch (error) {
      // The cache is behind, and a retry will find it right: nothing to tell anybody.
      if (!StatusError.is(error, 'Conflict')) {
        const message = `Error updating Endpoint Slices for Service ${key}: ${messageOf(error)}`;
        this.#context.events.event(service, 'Warning', 'FailedToUpdateEndpointSlices', message);
      }
      throw error;
    }
  }

  async #bringInLine(service: Service, slices: readonly EndpointSlice[]): Promise<void> {
    const families = familiesOf(service);
    const pods = this.#backends.of(service);
    const zoneOf = (name: string): string | undefined => this.#zones.of(name);
    for (const slice of slices) if (!families.includes(slice.addressType as Family)) await this.#slices.delete(service, slice);
    for (const family of families) {
      const existing = slices.filter(({ addressType }) => addressType === family);
      const groups = portGroups({ service, pods, family, zoneOf });
      if (isTopologyAware(service)) this.#shareOut(service, groups, family);
      else this.#tellRemoved(service, family);
      const plan = planSlices(existing, groups, { keepsEmpty: true });
      await this.#slices.write({ object: service, type: SERVICES, labels: labelsOf(service) }, existing, { addressType: family, plan });
    }
  }

  /** Gives each ready endpoint the zone that is to use it, or none any; and tells when that changes. */
  #shareOut(service: Service, groups: ReadonlyMap<string, PortGroup>, family: Family): void {
    const ready: { endpoint: Endpoint; group: PortGroup }[] = [];
    for (const group of groups.values())
      for (const endpoint of group.endpoints.values()) if (endpoint.conditions?.ready) ready.push({ endpoint, group });
    // In an order that does not depend on which pod changed last, so that the others keep their zones.
    ready.sort((a, b) => (endpointId(a.endpoint) < endpointId(b.endpoint) ? -1 : 1));
    const allocation = allocateZones(
      ready.map(({ endpoint }) => endpoint),
      this.#zones.shares(),
    );
    const key = `${keyOf(service)} ${family}`;
    if ('refusal' in allocation)
      return this.#tell(service, key, { type: 'Warning', message: `${allocation.refusal}, addressType: ${family}` });
    for (const [i, { endpoint, group }] of ready.entries())
      group.endpoints.set(endpointId(endpoint), { ...endpoint, hints: { forZones: [{ name: allocation.zones[i]! }] } });
    this.#tell(service, key, { type: 'Normal', message: `${HINTS_ENABLED}, addressType: ${family}` });
  }

  #tellRemoved(service: Service, family: Family): void {
    const key = `${keyOf(service)} ${family}`;
    if (this.#told.get(key)?.startsWith(HINTS_ENABLED))
      this.#tell(service, key, { type: 'Warning', message: `${HINTS_DISABLED}, addressType: ${family}` });
    this.#told.delete(key);
  }

  #tell(service: Service, key: string, { type, message }: { type: 'Normal' | 'Warning'; message: string }): void {
    if (this.#told.get(key) === message) return;
    this.#told.set(key, message);
    this.#context.events.event(service, type, `TopologyAwareHints${type === 'Normal' ? 'Enabled' : 'Disabled'}`, message);
  }
}

/** The Service's own labels come along, but none can pretend to be one of these. */
function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS]: _headless, ...own } = service.metadata.labels ?? {};
  return { ...own, ...(isHeadless(service) ? { [HEADLESS]: '' } : {}), [SERVICE_NAME]: service.metadata.name! };
}
