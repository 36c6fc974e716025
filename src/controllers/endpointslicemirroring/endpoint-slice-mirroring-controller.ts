import { keyOf } from '../../api/meta.ts';
import type { Endpoints, EndpointSlice, Service } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { ENDPOINTS, SERVICES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { ManagedSlices, SERVICE_NAME } from '../endpointslice/managed-slices.ts';
import { planSlices } from '../endpointslice/slice-plan.ts';
import { TRACKING_TIMEOUT_MS } from '../endpointslice/slice-tracker.ts';
import { MAX_ADDRESSES, mirroredGroups, skippedAddresses } from './mirrored-groups.ts';

const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const SKIP = 'endpointslice.kubernetes.io/skip-mirror';
const LEADER = 'control-plane.alpha.kubernetes.io/leader';
/** What of the annotations is about the Endpoints themselves. */
const TRIGGERED_AT = 'endpoints.kubernetes.io/last-change-trigger-time';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const HEADLESS = 'service.kubernetes.io/headless';

/** Endpoints that somebody wrote by hand, for a Service without a selector, are copied to EndpointSlices, which is what proxies read (KEP-752). */
export function createEndpointSliceMirroringController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EndpointSliceMirroring(context))];
}

class EndpointSliceMirroring implements Reconciler {
  readonly name = 'endpointslicemirroring-controller';
  readonly concurrency = 5;
  readonly #events: ComponentContext['events'];
  readonly #services: Informer<Service>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #slices: ManagedSlices;

  constructor({ client, ...rest }: ComponentContext) {
    this.#events = rest.events;
    this.#services = client.informer(SERVICES);
    this.#endpoints = client.informer(ENDPOINTS);
    this.#slices = new ManagedSlices({ client, ...rest }, MANAGER);
  }

  setup(queue: { add(key: string): void }): void {
    const note = (object: Service | Endpoints): void => queue.add(keyOf(object));
    this.#services.subscribe({ added: note, updated: note, deleted: note });
    this.#endpoints.subscribe({
      added: note,
      updated: note,
      deleted: (endpoints) => {
        // Slices of Endpoints that are gone are the garbage collector's.
        this.#slices.forget(endpoints);
      },
    });
    this.#slices.watch((key) => queue.add(key));
  }

  async reconcile(key: string): Promise<ReconcileResult> {
    const endpoints = this.#endpoints.get(key);
    if (!endpoints) return;
    const slices = this.#slices.of(key, endpoints);
    if (!slices) return { afterMs: TRACKING_TIMEOUT_MS };
    if (!this.#isMirrored(endpoints)) {
      for (const slice of slices) await this.#slices.delete(endpoints, slice);
      return;
    }
    const skipped = skippedAddresses(endpoints);
    if (skipped > 0) {
      const most = `A max of ${MAX_ADDRESSES} addresses can be mirrored to EndpointSlices per Endpoints subset.`;
      this.#events.event(endpoints, 'Warning', 'TooManyAddressesToMirror', `${most} ${skipped} addresses were skipped`);
    }
    for (const family of ['IPv4', 'IPv6'] as const) await this.#mirror(endpoints, slices, family);
  }

  async #mirror(endpoints: Endpoints, slices: readonly EndpointSlice[], family: 'IPv4' | 'IPv6'): Promise<void> {
    const existing = slices.filter(({ addressType }) => addressType === family);
    const plan = planSlices(existing, mirroredGroups(endpoints, family), { keepsEmpty: false });
    const { [HEADLESS]: _headless, ...own } = endpoints.metadata.labels ?? {};
    const labels = { ...own, [SERVICE_NAME]: endpoints.metadata.name! };
    const { [TRIGGERED_AT]: _triggered, [LAST_APPLIED]: _applied, ...annotations } = endpoints.metadata.annotations ?? {};
    await this.#slices.write({ object: endpoints, type: ENDPOINTS, labels, annotations }, existing, { addressType: family, plan });
  }

  /** Those of a Service with a selector are made from pods, and so are its slices. */
  #isMirrored(endpoints: Endpoints): boolean {
    const { labels, annotations, deletionTimestamp } = endpoints.metadata;
    if (deletionTimestamp || labels?.[SKIP] === 'true' || annotations?.[LEADER] !== undefined) return false;
    const service = this.#services.get(keyOf(endpoints));
    return service !== undefined && !service.metadata.deletionTimestamp && service.spec?.selector === undefined;
  }
}
