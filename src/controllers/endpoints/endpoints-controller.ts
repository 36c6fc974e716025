import { keyOf, splitKey } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import { StatusError } from '../../api/status.ts';
import type { Endpoints, ObjectMeta, Service } from '../../api/types.gen.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { ENDPOINTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isNamespaceTerminating, messageOf } from '../pods/pod-control.ts';
import { isHeadless, selectsPods, ServicePods } from '../servicepods/service-pods.ts';
import { subsetsOf, truncate } from './subsets.ts';

const MANAGED_BY = 'endpoints.kubernetes.io/managed-by';
const MANAGER = 'endpoint-controller';
const HEADLESS = 'service.kubernetes.io/headless';
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity';

/** Each Service with a selector has an Endpoints object of its name, for those who read the older API. */
export function createEndpointsController(context: ComponentContext): Component[] {
  return [runReconciler(context, new EndpointsController(context))];
}

class EndpointsController implements Reconciler {
  readonly name = 'endpoint-controller';
  readonly concurrency = 5;
  readonly #context: ComponentContext;
  readonly #backends: ServicePods;
  readonly #endpoints: Informer<Endpoints>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#backends = new ServicePods(context.client);
    this.#endpoints = context.client.informer(ENDPOINTS);
  }

  setup(queue: { add(key: string): void }): void {
    this.#backends.watch((key) => queue.add(key));
    const note = (endpoints: Endpoints): void => queue.add(keyOf(endpoints));
    this.#endpoints.subscribe({ added: note, updated: note, deleted: note });
  }

  async reconcile(key: string): Promise<void> {
    const service = this.#backends.services.get(key);
    const current = this.#endpoints.get(key);
    if (!service) return this.#deleteLeftOver(key, current);
    if (!selectsPods(service)) return;
    const { subsets, truncated } = truncate(subsetsOf(service, this.#backends.of(service)));
    const metadata = metadataOf(service, current, truncated);
    const isSame = current && semanticEqual(current.subsets, subsets) && semanticEqual(current.metadata, metadata);
    if (!isSame) await this.#write(service, { ...current, metadata, subsets }, current !== undefined);
  }

  /** Only what this controller made: other Endpoints need no Service. */
  async #deleteLeftOver(key: string, current: Endpoints | undefined): Promise<void> {
    if (current?.metadata.labels?.[MANAGED_BY] !== MANAGER) return;
    const { namespace, name } = splitKey(key);
    await unlessGone(this.#context.client.resource(ENDPOINTS, namespace).delete(name, { preconditions: { uid: current.metadata.uid! } }));
  }

  async #write(service: Service, endpoints: Endpoints, exists: boolean): Promise<void> {
    const { namespace, name } = service.metadata;
    const resource = this.#context.client.resource(ENDPOINTS, namespace);
    try {
      await (exists ? resource.update(endpoints) : resource.create(endpoints));
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      // The cache is behind, and a retry will find it right: nothing to tell anybody.
      if (StatusError.is(error, 'AlreadyExists') || StatusError.is(error, 'Conflict')) throw error;
      const [reason, verb] = exists ? ['FailedToUpdateEndpoint', 'update'] : ['FailedToCreateEndpoint', 'create'];
      this.#context.events.event(
        endpoints.metadata.uid ? endpoints : service,
        'Warning',
        reason,
        `Failed to ${verb} endpoint for service ${namespace}/${name}: ${messageOf(error)}`,
      );
      throw error;
    }
  }
}

/** The Service's labels, and whether the object holds everything. */
function metadataOf(service: Service, current: Endpoints | undefined, truncated: boolean): ObjectMeta {
  const { [HEADLESS]: _headless, ...own } = service.metadata.labels ?? {};
  const { [OVER_CAPACITY]: _overCapacity, ...others } = current?.metadata.annotations ?? {};
  const labels = { ...own, ...(isHeadless(service) ? { [HEADLESS]: '' } : {}), [MANAGED_BY]: MANAGER };
  const annotations: Record<string, string> = truncated ? { ...others, [OVER_CAPACITY]: 'truncated' } : others;
  const { annotations: _annotations, ...rest } = current?.metadata ?? {
    name: service.metadata.name!,
    namespace: service.metadata.namespace!,
  };
  return { ...rest, labels, ...(Object.keys(annotations).length > 0 ? { annotations } : {}) };
}
