/** Services, and how traffic finds them. */
import { isIPv6 } from '../validation/names.ts';
import type { Endpoints, EndpointSlice, Ingress, IngressClass, IPAddress, NetworkPolicy, Service, ServiceCIDR } from '../types.gen.ts';
import { AGE, ageOf, column, firstOf, joined, labelsText, NAME, NONE, selectorText, UNSET, wide } from './columns.ts';
import type { Printer } from './columns.ts';

const SHOWN = 3;

export const services: Printer<Service> = {
  columns: [NAME, column('Type'), column('Cluster-IP'), column('External-IP'), column('Port(s)'), AGE, wide('Selector')],
  cells: (object, now) => {
    const { metadata, spec } = object;
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
    );
    const clusterIP = spec?.clusterIPs?.[0] || spec?.clusterIP || NONE;
    return [metadata.name!, spec?.type ?? '', clusterIP, externalIP(object), joined(ports), ageOf(object, now), labelsText(spec?.selector)];
  },
};

function externalIP({ spec, status }: Service): string {
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  const external = spec?.externalIPs ?? [];
  if (spec?.type !== 'LoadBalancer') return joined(external);
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || '').filter(Boolean);
  return [...balancers, ...external].join(',') || '<pending>';
}

export const endpoints: Printer<Endpoints> = {
  columns: [NAME, column('Endpoints'), AGE],
  cells: (object, now) => {
    const all = (object.subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0
        ? addresses.map(({ ip }) => ip)
        : ports.flatMap(({ port }) => addresses.map(({ ip }) => (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`))),
    );
    return [object.metadata.name!, firstOf(all, SHOWN, NONE), ageOf(object, now)];
  },
};

export const endpointSlices: Printer<EndpointSlice> = {
  columns: [NAME, column('AddressType'), column('Ports'), column('Endpoints'), AGE],
  cells: (object, now) => {
    const ports = (object.ports ?? []).map(({ port }) => (port === undefined ? '*' : String(port)));
    const addresses = (object.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
    return [object.metadata.name!, object.addressType, firstOf(ports, SHOWN, UNSET), firstOf(addresses, SHOWN, UNSET), ageOf(object, now)];
  },
};

export const ingresses: Printer<Ingress> = {
  columns: [NAME, column('Class'), column('Hosts'), column('Address'), column('Ports'), AGE],
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const hosts = (spec?.rules ?? []).map(({ host }) => host ?? '').filter(Boolean);
    const addresses = [...new Set((status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || ''))].filter(Boolean);
    return [
      metadata.name!,
      spec?.ingressClassName ?? NONE,
      firstOf(hosts, SHOWN, '*'),
      addresses.join(','),
      spec?.tls?.length ? '80, 443' : '80',
      ageOf(object, now),
    ];
  },
};

export const ingressClasses: Printer<IngressClass> = {
  columns: [NAME, column('Controller'), column('Parameters'), AGE],
  cells: (object, now) => {
    const parameters = object.spec?.parameters;
    const kind = parameters?.apiGroup ? `${parameters.kind}.${parameters.apiGroup}` : parameters?.kind;
    return [object.metadata.name!, object.spec?.controller ?? '', parameters ? `${kind}/${parameters.name}` : NONE, ageOf(object, now)];
  },
};

export const networkPolicies: Printer<NetworkPolicy> = {
  columns: [NAME, column('Pod-Selector'), AGE],
  cells: (object, now) => [object.metadata.name!, selectorText(object.spec?.podSelector), ageOf(object, now)],
};

export const serviceCIDRs: Printer<ServiceCIDR> = {
  columns: [NAME, column('CIDRs'), AGE],
  cells: (object, now) => [object.metadata.name!, (object.spec?.cidrs ?? []).join(','), ageOf(object, now)],
};

export const ipAddresses: Printer<IPAddress> = {
  columns: [NAME, column('ParentRef'), AGE],
  cells: (object, now) => {
    const parent = object.spec?.parentRef;
    const parts = [parent?.resource, parent?.group, parent?.namespace, parent?.name].filter(Boolean);
    return [object.metadata.name!, parts.join('/'), ageOf(object, now)];
  },
};
