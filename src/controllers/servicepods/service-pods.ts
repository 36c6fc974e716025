import { keyOf, type ObjectWithMeta } from '../../api/meta.ts';
import { semanticEqual } from '../../api/patch/json.ts';
import type { Pod, Service, ServicePort } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { PODS, SERVICES } from '../../client/resources.ts';
import { mapSelectorOf } from '../pods/ownership.ts';
import { isReady, isTerminal } from '../pods/pod-state.ts';

const LABEL_INDEX = 'namespace-and-label';

/** Which pods stand behind which Services. */
export class ServicePods {
  readonly services: Informer<Service>;
  readonly #pods: Informer<Pod>;

  constructor(client: Client) {
    this.services = client.informer(SERVICES);
    this.#pods = client.informer(PODS);
    this.#pods.addIndex(LABEL_INDEX, ({ metadata }) =>
      Object.entries(metadata.labels ?? {}).map(([key, value]) => indexKey(metadata, key, value)),
    );
  }

  /** Calls `changed` with the key of each Service of which something may be different now. */
  watch(changed: (serviceKey: string) => void): void {
    this.services.subscribe({
      added: (service) => changed(keyOf(service)),
      updated: (service) => changed(keyOf(service)),
      deleted: (service) => changed(keyOf(service)),
    });
    const note = (pod: Pod): void => this.#servicesOf(pod).forEach((service) => changed(keyOf(service)));
    this.#pods.subscribe({
      added: note,
      updated: (pod, previous) => {
        if (!isOfInterest(pod, previous)) return;
        note(pod);
        if (pod.metadata.labels !== previous.metadata.labels) note(previous);
      },
      deleted: note,
    });
  }

  /** The pods that the Service selects, in no order; none when it has no selector. */
  of({ metadata, spec }: Service): Pod[] {
    const [first] = Object.entries(spec?.selector ?? {});
    if (!first) return [];
    const selector = mapSelectorOf(spec!.selector!);
    return this.#pods.byIndex(LABEL_INDEX, indexKey(metadata, ...first)).filter((pod) => selector.matches(pod));
  }

  #servicesOf(pod: Pod): Service[] {
    return this.services
      .listNamespace(pod.metadata.namespace!)
      .filter(({ spec }) => spec?.selector && hasKeys(spec.selector) && mapSelectorOf(spec.selector).matches(pod));
  }
}

/** The ExternalName kind is a DNS alias, and a Service without a selector is filled in by somebody else. */
export function selectsPods({ spec }: Service): boolean {
  return spec?.type !== 'ExternalName' && spec?.selector !== undefined && hasKeys(spec.selector);
}

export function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None';
}

/** A pod is reached under its own name when it names its Service as its domain. */
export function hostnameWithin(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

/** The number that the Service's target port has in this pod; undefined when the pod has no port of that name. */
export function targetPortIn(pod: Pod, { targetPort, port, protocol = 'TCP' }: ServicePort): number | undefined {
  if (typeof targetPort !== 'string') return targetPort || port;
  // A restartable init container is a sidecar, and serves like any other container.
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = container.ports?.find(({ name, protocol: spoken = 'TCP' }) => name === targetPort && spoken === protocol);
    if (found) return found.containerPort;
  }
  return undefined;
}

export function addressIn({ status }: Pod, family: 'IPv4' | 'IPv6'): string | undefined {
  return status?.podIPs?.find(({ ip }) => ip.includes(':') === (family === 'IPv6'))?.ip;
}

/** The address families of the Service, the primary one first. */
export function familiesOf({ spec }: Service): ('IPv4' | 'IPv6')[] {
  const families = spec?.ipFamilies as ('IPv4' | 'IPv6')[] | undefined;
  if (families && families.length > 0) return families;
  return [spec?.clusterIP?.includes(':') ? 'IPv6' : 'IPv4'];
}

/** Most changes of a pod (a probe's time, a container's id) mean nothing to who wants to reach it. */
function isOfInterest(pod: Pod, previous: Pod): boolean {
  const { metadata: a, status: now, spec } = pod;
  const { metadata: b, status: before, spec: specBefore } = previous;
  return (
    isReady(pod) !== isReady(previous) ||
    isTerminal(pod) !== isTerminal(previous) ||
    a.deletionTimestamp !== b.deletionTimestamp ||
    spec?.nodeName !== specBefore?.nodeName ||
    !semanticEqual(now?.podIPs, before?.podIPs) ||
    !semanticEqual(a.labels, b.labels)
  );
}

function hasKeys(map: Readonly<Record<string, string>>): boolean {
  return Object.keys(map).length > 0;
}

function indexKey({ namespace }: ObjectWithMeta['metadata'], key: string, value: string): string {
  return `${namespace}\n${key}=${value}`;
}
