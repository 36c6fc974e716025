import type { EndpointSlice, Service } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { ENDPOINT_SLICES, SERVICES } from '../client/resources.ts';
import type { Backend } from './routes.ts';

export interface Target {
  host: string;
  port: number;
}

const BY_SERVICE = 'service';

/** Where a backend's requests can go, from the informers' caches. */
export class BackendEndpoints {
  readonly #client: Client;
  #turn = 0;

  constructor(client: Client) {
    this.#client = client;
    client.informer(ENDPOINT_SLICES).addIndex(BY_SERVICE, (slice) => {
      const name = slice.metadata.labels?.['kubernetes.io/service-name'];
      return name === undefined ? [] : [`${slice.metadata.namespace}/${name}`];
    });
  }

  async start(): Promise<void> {
    await Promise.all([this.#client.informer(SERVICES).start(), this.#client.informer(ENDPOINT_SLICES).start()]);
  }

  /** The ready endpoints, another one first each time; an ExternalName leads to its name. Empty where there is no such Service or port. */
  targets({ namespace, service: name, port: wanted }: Backend): Target[] {
    const service = this.#client.informer(SERVICES).get(`${namespace}/${name}`);
    if (!service) return [];
    const { externalName, type } = service.spec ?? {};
    const port = portOf(service, wanted);
    if (type === 'ExternalName')
      return externalName && (port?.port ?? wanted.number) ? [{ host: externalName, port: port?.port ?? wanted.number! }] : [];
    if (!port) return [];
    const targets = this.#client
      .informer(ENDPOINT_SLICES)
      .byIndex(BY_SERVICE, `${namespace}/${name}`)
      .flatMap((slice) => sliceTargets(slice, port.name ?? ''));
    const by = targets.length > 0 ? this.#turn++ % targets.length : 0;
    return [...targets.slice(by), ...targets.slice(0, by)];
  }
}

function portOf(service: Service, { name, number }: Backend['port']) {
  return (service.spec?.ports ?? []).find((port) => (name === undefined ? port.port === number : port.name === name));
}

function sliceTargets(slice: EndpointSlice, portName: string): Target[] {
  if (slice.addressType === 'FQDN') return [];
  const port = slice.ports?.find(({ name }) => (name ?? '') === portName)?.port;
  if (!port) return [];
  return (slice.endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses.slice(0, 1).map((host) => ({ host, port })));
}
