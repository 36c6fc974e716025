import type { Node, Service } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { NODES, SERVICES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { familiesOf, isHeadless, selectsPods, ServicePods } from '../servicepods/service-pods.ts';
import { portGroups } from './endpoints-of.ts';
import { ManagedSlices, SERVICE_NAME } from './managed-slices.ts';
import { planSlices } from './slice-plan.ts';
import { TRACKING_TIMEOUT_MS } from './slice-tracker.ts';

const MANAGER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const ZONE = 'topology.kubernetes.io/zone';

/** Each Service with a selector has EndpointSlices with the addresses of its pods. */
export function createEndpointSliceController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EndpointSliceController(context))];
}

class EndpointSliceController implements Reconciler {
  readonly name = 'endpointslice-controller';
  readonly concurrency = 5;
  readonly #backends: ServicePods;
  readonly #slices: ManagedSlices;
  readonly #nodes: Informer<Node>;

  constructor(context: ComponentContext) {
    this.#backends = new ServicePods(context.client);
    this.#slices = new ManagedSlices(context, MANAGER);
    this.#nodes = context.client.informer(NODES);
  }

  setup(queue: { add(key: string): void }): void {
    this.#backends.watch((key) => queue.add(key));
    this.#backends.services.subscribe({ deleted: (service) => this.#slices.forget(service) });
    this.#slices.watch((key) => queue.add(key));
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const service = this.#backends.services.get(key);
    // Slices of a Service that is gone are the garbage collector's.
    if (!service || service.metadata.deletionTimestamp || !selectsPods(service)) return;
    const slices = this.#slices.of(key, service);
    if (!slices) return { afterMs: TRACKING_TIMEOUT_MS };
    const families = familiesOf(service);
    const pods = this.#backends.of(service);
    const zoneOf = (name: string): string | undefined => this.#nodes.get(name)?.metadata.labels?.[ZONE];
    for (const slice of slices) if (!families.includes(slice.addressType as 'IPv4')) await this.#slices.delete(service, slice);
    for (const family of families) {
      const existing = slices.filter(({ addressType }) => addressType === family);
      const plan = planSlices(existing, portGroups({ service, pods, family, zoneOf }), { keepsEmpty: true });
      await this.#slices.write({ object: service, type: SERVICES, labels: labelsOf(service) }, existing, { addressType: family, plan });
    }
  }
}

/** The Service's own labels come along, but none can pretend to be one of these. */
function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS]: _headless, ...own } = service.metadata.labels ?? {};
  return { ...own, ...(isHeadless(service) ? { [HEADLESS]: '' } : {}), [SERVICE_NAME]: service.metadata.name! };
}
