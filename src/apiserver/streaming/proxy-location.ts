/** Which target `…/proxy` of a pod, a service or a node means. */
import { isIP } from 'node:net';
import { notFound, statusError } from '../../api/status.ts';
import type { EndpointSlice, Node, Pod, Service, ServicePort } from '../../api/types.gen.ts';
import type { Rng } from '../../lib/random.ts';
import type { RequestInfo } from '../contract.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import { kubeletPort, nodeAddress } from './kubelet.ts';
import type { Target } from './target.ts';
import { tcpTarget, tlsTarget } from './target.ts';

/** For pods that are simulated: a server of `ip:port` may listen on another address of this machine. */
export type PodAddressResolver = (ip: string, port: number) => { host: string; port: number };

export interface ProxyLocationOptions extends StoredObjects {
  kubelet: (nodeName: string) => Target;
  rng: Rng;
  /** Pods and endpoints on loopback addresses are refused unless set: the simulated runtime has them there. */
  allowLoopback?: boolean;
  /** Where a pod's address really listens; the address itself unless given. */
  resolve?: PodAddressResolver;
}

interface Name {
  scheme: 'http' | 'https';
  name: string;
  /** Number or name; empty: the only one. */
  port: string;
}

export function proxyLocator(options: ProxyLocationOptions): (info: RequestInfo) => Target {
  const locators: Record<string, (info: RequestInfo, name: Name) => Target> = {
    pods: podLocator(options),
    services: serviceLocator(options),
    nodes: nodeLocator(options),
  };
  return (info) => locators[info.resource]!(info, parseName(info));
}

/** `name`, `name:port` or `scheme:name:port`. */
function parseName({ name, resource }: RequestInfo): Name {
  const parts = name.split(':');
  const [scheme, id, port] = parts.length === 3 ? (parts as [string, string, string]) : ['', parts[0]!, parts[1] ?? ''];
  if (parts.length > 3 || !id || !['', 'http', 'https'].includes(scheme)) {
    throw statusError('BadRequest', `invalid ${resource.slice(0, -1)} request ${JSON.stringify(name)}`);
  }
  return { scheme: scheme === 'https' ? 'https' : 'http', name: id, port };
}

function targetAt(options: ProxyLocationOptions, { scheme }: Name, host: string, port: number): Target {
  if (!proxyable(host, options.allowLoopback)) throw statusError('BadRequest', 'address not allowed');
  const at = options.resolve?.(host, port) ?? { host, port };
  return scheme === 'https' ? tlsTarget(at.host, at.port) : tcpTarget(at.host, at.port);
}

/** Addresses of this machine and of the link are nobody's pod: without this a user could reach what listens on the server alone. */
function proxyable(host: string, allowLoopback = false): boolean {
  if (isIP(host) === 0) return false;
  if (host.startsWith('127.') || host === '::1') return allowLoopback;
  return !/^(?:169\.254\.|0\.|2(?:2[4-9]|[3-5]\d)\.)/.test(host) && !/^(?:fe[89ab]|ff|::$)/i.test(host);
}

function podLocator(options: ProxyLocationOptions): (info: RequestInfo, name: Name) => Target {
  const pods = stored<Pod>(options, '', 'v1', 'pods');
  return ({ namespace }, name) => {
    const pod = pods.get(namespace, name.name);
    if (!pod) throw notFound('pods', '', name.name);
    const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
    const named = ports.find((port) => port.name === name.port && name.port !== '')?.containerPort;
    const port = named ?? (name.port ? Number(name.port) : (ports[0]?.containerPort ?? (name.scheme === 'https' ? 443 : 80)));
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw statusError('BadRequest', `invalid pod request ${JSON.stringify(name.name)}`);
    return targetAt(options, name, pod.status?.podIP ?? '', port);
  };
}

function serviceLocator(options: ProxyLocationOptions): (info: RequestInfo, name: Name) => Target {
  const services = stored<Service>(options, '', 'v1', 'services');
  const slices = stored<EndpointSlice>(options, 'discovery.k8s.io', 'v1', 'endpointslices');
  return ({ namespace }, name) => {
    const service = services.get(namespace, name.name);
    if (!service) throw notFound('services', '', name.name);
    const port = servicePort(service, name);
    const own = slices.list(namespace).filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === name.name);
    const addresses = own.flatMap((slice) => readyAddresses(slice, port));
    if (addresses.length === 0) throw statusError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(name.name)}`);
    const chosen = addresses[Math.floor(options.rng.next() * addresses.length)]!;
    return targetAt(options, name, chosen.host, chosen.port);
  };
}

function servicePort({ metadata, spec }: Service, { port }: Name): ServicePort {
  const ports = spec?.ports ?? [];
  const found =
    ports.find((candidate) => candidate.name === port && port !== '') ??
    ports.find((candidate) => String(candidate.port) === port) ??
    (port === '' && ports.length === 1 ? ports[0] : undefined);
  if (found) return found;
  if (port === '') throw statusError('ServiceUnavailable', `no endpoints available for service ${JSON.stringify(metadata.name)}`);
  throw statusError(
    'ServiceUnavailable',
    `no service port ${/^\d+$/.test(port) ? port : JSON.stringify(port)} found for service ${JSON.stringify(metadata.name)}`,
  );
}

function readyAddresses({ endpoints, ports = [] }: EndpointSlice, wanted: ServicePort): { host: string; port: number }[] {
  const port = ports.find(({ name }) => (name ?? '') === (wanted.name ?? ''))?.port;
  if (port === undefined) return [];
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready ?? true)
    .flatMap(({ addresses }) => addresses.map((host) => ({ host, port })));
}

function nodeLocator(options: ProxyLocationOptions): (info: RequestInfo, name: Name) => Target {
  const nodes = stored<Node>(options, '', 'v1', 'nodes');
  return (_info, name) => {
    const node = nodes.get('', name.name);
    if (!node) throw notFound('nodes', '', name.name);
    if (name.port === '' || Number(name.port) === kubeletPort(node)) return options.kubelet(name.name);
    const port = Number(name.port);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw statusError('BadRequest', `invalid node request ${JSON.stringify(name.name)}`);
    return targetAt(options, name, nodeAddress(node), port);
  };
}
