/** Whether and where the Service behind an APIService answers, by what the cluster says of it. */
import type { APIService, APIServiceSpec, EndpointSlice, Service } from '../../api/types.gen.ts';
import { stored, type StoredObjects } from '../stored.ts';

type ServiceReference = NonNullable<APIServiceSpec['service']>;

/** Why nobody can answer, in upstream's words. */
export interface Missing {
  reason: 'ServiceNotFound' | 'ServicePortError' | 'EndpointsNotFound' | 'MissingEndpoints';
  message: string;
}

export interface Address {
  host: string;
  port: number;
}

export type Located = { at: readonly [Address, ...Address[]] } | { missing: Missing };

const SERVICE_NAME = 'kubernetes.io/service-name';
const HTTPS_PORT = 443;

/**
 * The ready endpoints of a Service, so that neither the service proxy nor cluster DNS need be there; of an ExternalName Service the name
 * that it stands for.
 */
export function serviceLocator(objects: StoredObjects): (reference: ServiceReference) => Located {
  const services = stored<Service>(objects, '', 'v1', 'services');
  const slices = stored<EndpointSlice>(objects, 'discovery.k8s.io', 'v1', 'endpointslices');
  return ({ namespace = '', name = '', port = HTTPS_PORT }) => {
    const missing = (reason: Missing['reason'], message: string): Located => ({ missing: { reason, message } });
    const service = services.get(namespace, name);
    if (!service) return missing('ServiceNotFound', `service/${name} in ${JSON.stringify(namespace)} is not present`);
    if (service.spec?.type === 'ExternalName') return { at: [{ host: service.spec.externalName ?? '', port }] };
    const wanted = service.spec?.ports?.find((candidate) => candidate.port === port);
    if (!wanted) return missing('ServicePortError', `service/${name} in ${JSON.stringify(namespace)} is not listening on port ${port}`);
    const own = slices.list(namespace).filter(({ metadata }) => metadata.labels?.[SERVICE_NAME] === name);
    if (own.length === 0)
      return missing('EndpointsNotFound', `cannot find endpointslices for service/${name} in ${JSON.stringify(namespace)}`);
    const [first, ...others] = own.flatMap((slice) => readyAddresses(slice, wanted.name ?? ''));
    if (first) return { at: [first, ...others] };
    const named = `endpointslices for service/${name} in ${JSON.stringify(namespace)} have no addresses with port name`;
    return missing('MissingEndpoints', `${named} ${JSON.stringify(wanted.name ?? '')}`);
  };
}

function readyAddresses({ endpoints, ports }: EndpointSlice, portName: string): Address[] {
  const port = ports?.find(({ name }) => (name ?? '') === portName)?.port;
  if (port === undefined) return [];
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready ?? true)
    .flatMap(({ addresses }) => addresses.map((host) => ({ host, port })));
}

/** Calls back with the names of the APIServices that a change of Services or EndpointSlices concerns. The returned function ends it. */
export function onServiceChange(
  objects: StoredObjects,
  apiServices: () => readonly APIService[],
  changed: (name: string) => void,
): () => void {
  const concerns = (namespace: string | undefined, name: string | undefined): void => {
    for (const { metadata, spec } of apiServices()) {
      if (spec?.service?.name === name && spec?.service?.namespace === namespace) changed(metadata.name!);
    }
  };
  const services = stored<Service>(objects, '', 'v1', 'services').subscribe(({ metadata }) => concerns(metadata.namespace, metadata.name));
  const slices = stored<EndpointSlice>(objects, 'discovery.k8s.io', 'v1', 'endpointslices').subscribe(({ metadata }) =>
    concerns(metadata.namespace, metadata.labels?.[SERVICE_NAME]),
  );
  return () => {
    services();
    slices();
  };
}
