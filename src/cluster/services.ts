import type { Client } from '../client/client.ts';
import { SERVICES } from '../client/resources.ts';
import { StatusError } from '../api/status.ts';
import type { Service, ServicePort } from '../api/types.gen.ts';
import type { Reachable } from './driver.ts';
import { failure } from './reasons.ts';

export interface ServiceUrl {
  namespace: string;
  name: string;
  /** The port's name, or its number. */
  port: string;
  targetPort: string;
  url: string;
}

export interface UrlOptions {
  /** Where a NodePort answers to this machine. */
  reach: (nodePort: number) => Reachable | undefined;
  https: boolean;
}

/** The URLs of a Service from this machine, one a NodePort. Throws SERVICE_NOT_FOUND, SERVICE_NO_PORT, SERVICE_UNREACHABLE. */
export async function serviceUrls(
  client: Client,
  { namespace, name }: { namespace: string; name: string },
  options: UrlOptions,
): Promise<ServiceUrl[]> {
  const service = await getService(client, namespace, name);
  const nodePorts = nodePortsOf(service);
  if (nodePorts.length === 0) {
    const type = service.spec?.type ?? 'ClusterIP';
    throw failure('SERVICE_NO_PORT', `service ${namespace}/${name} is of type ${type} and has no port on the node`);
  }
  const urls = urlsOf(service, options);
  if (urls.length === 0) {
    const range = `${nodePorts[0]}:${nodePorts[0]}`;
    throw failure('SERVICE_UNREACHABLE', `port ${nodePorts[0]} of the node is not published on this machine`, {
      advice: [
        `Publish it: \`rockpool stop\`, then \`rockpool start --ports ${range}\` (a range such as 30000-30050:30000-30050 works too).`,
      ],
    });
  }
  return urls;
}

/** All Services; those without a NodePort have no URL. */
export async function listServices(
  client: Client,
  namespace: string | undefined,
  options: UrlOptions,
): Promise<{ namespace: string; name: string; ports: string[]; urls: string[] }[]> {
  const { items } = await client.resource(SERVICES, namespace).list();
  return items.map((service) => ({
    namespace: service.metadata.namespace!,
    name: service.metadata.name!,
    ports: (service.spec?.ports ?? []).map((port) => `${port.name ? `${port.name}/` : ''}${port.port}`),
    urls: urlsOf(service, options).map(({ url }) => url),
  }));
}

async function getService(client: Client, namespace: string, name: string): Promise<Service> {
  try {
    return await client.resource(SERVICES, namespace).get(name);
  } catch (error) {
    if (StatusError.is(error, 'NotFound')) throw failure('SERVICE_NOT_FOUND', `there is no service "${name}" in namespace "${namespace}"`);
    throw error;
  }
}

function urlsOf({ metadata, spec }: Service, { reach, https }: UrlOptions): ServiceUrl[] {
  return (spec?.ports ?? []).flatMap((port) => {
    const at = port.nodePort ? reach(port.nodePort) : undefined;
    if (!at) return [];
    const url = `${https || isTls(port) ? 'https' : 'http'}://${at.address}:${at.port}`;
    return [
      {
        namespace: metadata.namespace!,
        name: metadata.name!,
        port: port.name ?? String(port.port),
        targetPort: String(port.targetPort ?? port.port),
        url,
      },
    ];
  });
}

function nodePortsOf({ spec }: Service): number[] {
  return (spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : []));
}

function isTls({ name, port, appProtocol }: ServicePort): boolean {
  return appProtocol === 'https' || name === 'https' || port === 443;
}
