import type { ConfigMap, Container, EnvVarSource, Pod, Secret, Service } from '../../api/types.gen.ts';
import { expandVariables } from './expand.ts';
import { fieldValue, type NodeFacts, resourceValue } from './field-path.ts';

/** Where the values of env come from. Objects that are not there are undefined; other failures throw. */
export interface EnvSources {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  /** Services of the pod's namespace and the `kubernetes` Service of `default`. */
  services: readonly Service[];
  node: NodeFacts;
}

/** A container cannot be configured: it waits with reason CreateContainerConfigError and this message. */
export class ContainerConfigError extends Error {
  override name = 'ContainerConfigError';
}

/**
 * The environment of a container in the order of upstream's makeEnvironmentVariables: service links, then envFrom, then env; later
 * ones win. Values refer to earlier ones by `$(NAME)`. Throws ContainerConfigError.
 */
export async function containerEnv(pod: Pod, container: Container, sources: EnvSources): Promise<{ name: string; value: string }[]> {
  const result = new Map<string, string>();
  const links = serviceLinks(pod, sources.services);
  for (const [name, value] of await fromSources(container, sources)) result.set(name, value);
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? await valueFrom(pod, container, variable.valueFrom, sources)
      : expandVariables(variable.value ?? '', (name) => result.get(name) ?? links.get(name));
    if (value === undefined) continue;
    result.delete(variable.name);
    result.set(variable.name, value);
  }
  for (const [name, value] of links) if (!result.has(name)) result.set(name, value);
  return [...result].map(([name, value]) => ({ name, value }));
}

async function fromSources(container: Container, sources: EnvSources): Promise<[string, string][]> {
  const result: [string, string][] = [];
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef) {
      const object = await sources.configMap(configMapRef.name ?? '');
      if (!object && !configMapRef.optional) throw new ContainerConfigError(`configmap "${configMapRef.name}" not found`);
      for (const [key, value] of Object.entries(object?.data ?? {})) result.push([prefix + key, value]);
    }
    if (secretRef) {
      const object = await sources.secret(secretRef.name ?? '');
      if (!object && !secretRef.optional) throw new ContainerConfigError(`secret "${secretRef.name}" not found`);
      for (const [key, value] of Object.entries(object?.data ?? {})) result.push([prefix + key, decode(value)]);
    }
  }
  return result;
}

async function valueFrom(pod: Pod, container: Container, source: EnvVarSource, sources: EnvSources): Promise<string | undefined> {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source;
  if (fieldRef) return fieldValue(pod, fieldRef, sources.node);
  if (resourceFieldRef) {
    const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
    const named = resourceFieldRef.containerName ? all.find((one) => one.name === resourceFieldRef.containerName) : container;
    if (!named) throw new ContainerConfigError(`container ${resourceFieldRef.containerName} not found`);
    return resourceValue(named, resourceFieldRef, sources.node.allocatable);
  }
  const namespace = pod.metadata.namespace ?? '';
  if (configMapKeyRef) {
    const { name = '', key, optional } = configMapKeyRef;
    const object = await sources.configMap(name);
    if (!object && !optional) throw new ContainerConfigError(`configmap "${name}" not found`);
    const value = object?.data?.[key];
    if (value === undefined && !optional) throw new ContainerConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`);
    return value;
  }
  if (secretKeyRef) {
    const { name = '', key, optional } = secretKeyRef;
    const object = await sources.secret(name);
    if (!object && !optional) throw new ContainerConfigError(`secret "${name}" not found`);
    const value = object?.data?.[key];
    if (value === undefined && !optional) throw new ContainerConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`);
    return value === undefined ? undefined : decode(value);
  }
  throw new ContainerConfigError('env valueFrom names no source that is supported');
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/**
 * `NAME_SERVICE_HOST` and the Docker-style variables of every Service that has a cluster IP; only those of `default/kubernetes`
 * when the pod turned service links off.
 */
export function serviceLinks(pod: Pod, services: readonly Service[]): Map<string, string> {
  const result = new Map<string, string>();
  const namespace = pod.metadata.namespace ?? '';
  const linked = pod.spec?.enableServiceLinks !== false;
  for (const service of services) {
    const master = service.metadata.namespace === 'default' && service.metadata.name === 'kubernetes';
    if (!master && !(linked && service.metadata.namespace === namespace)) continue;
    const ip = service.spec?.clusterIP;
    if (!ip || ip === 'None') continue;
    for (const [name, value] of serviceVariables(service, ip)) result.set(name, value);
  }
  return result;
}

function serviceVariables(service: Service, ip: string): [string, string][] {
  const prefix = envName(service.metadata.name!);
  const ports = service.spec?.ports ?? [];
  const first = ports[0];
  if (!first) return [];
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const url = (port: { protocol?: string; port: number }): string => `${(port.protocol ?? 'TCP').toLowerCase()}://${host}:${port.port}`;
  const result: [string, string][] = [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
  ];
  for (const port of ports) if (port.name) result.push([`${prefix}_SERVICE_PORT_${envName(port.name)}`, String(port.port)]);
  result.push([`${prefix}_PORT`, url(first)]);
  for (const port of ports) {
    const protocol = port.protocol ?? 'TCP';
    const base = `${prefix}_PORT_${port.port}_${protocol}`;
    result.push([base, url(port)], [`${base}_PROTO`, protocol.toLowerCase()], [`${base}_PORT`, String(port.port)], [`${base}_ADDR`, ip]);
  }
  return result;
}

const envName = (text: string): string => text.toUpperCase().replaceAll('-', '_');
