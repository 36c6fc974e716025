import type { EndpointSlice, Service } from '../../api/types.gen.ts';
import { stored, type StoredObjects } from '../stored.ts';
import type { ServiceReference } from '../webhook-client.ts';

/**
 * Where a webhook behind a Service is reached: a ready endpoint, so that neither the service proxy nor cluster DNS need be there. Throws Error
 * in upstream's words.
 */
export function serviceAddress(objects: StoredObjects): (service: ServiceReference) => { host: string; port: number } {
  const services = stored<Service>(objects, '', 'v1', 'services');
  const slices = stored<EndpointSlice>(objects, 'discovery.k8s.io', 'v1', 'endpointslices');
  return ({ namespace, name, port = 443 }) => {
    const service = services.get(namespace, name);
    if (!service) throw new Error(`service ${JSON.stringify(name)} not found`);
    if (service.spec?.type === 'ExternalName') return { host: service.spec.externalName!, port };
    const wanted = service.spec?.ports?.find((candidate) => candidate.port === port);
    if (!wanted) throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`);
    const own = slices.list(namespace).filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name);
    for (const { endpoints, ports } of own) {
      const target = ports?.find((each) => (each.name ?? '') === (wanted.name ?? ''))?.port;
      const host = endpoints?.find(({ conditions }) => conditions?.ready ?? true)?.addresses[0];
      if (host && target) return { host, port: target };
    }
    throw new Error(`no endpoints available for service ${JSON.stringify(name)}`);
  };
}
