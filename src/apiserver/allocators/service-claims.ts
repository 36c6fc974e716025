import { invalid, statusError, type FieldError } from '../../api/status.ts';
import { keyOf, type KubeObject } from '../../api/meta.ts';
import type { Rng } from '../../lib/random.ts';
import type { Service, ServicePort, ServiceSpec } from '../../api/types.gen.ts';
import type { ResourceClaims } from '../registry/registry.ts';
import type { ResourceCache } from '../watch/resource-cache.ts';
import type { AddressRanges } from './address-ranges.ts';
import { AllocationError, PortPool } from './pools.ts';
import {
  HEADLESS,
  isHeadless,
  needsClusterIp,
  needsHealthCheckPort,
  needsNodePorts,
  settleFamilies,
  type IpFamily,
} from './service-families.ts';
import { keepAllocated } from './service-update.ts';

export interface ServiceClaimsOptions {
  ranges: AddressRanges;
  /** `30000-32767` unless given. */
  nodePortRange?: string;
  rng: Rng;
  cache: ResourceCache;
}

const DEFAULT_NODE_PORTS = '30000-32767';

/** Cluster IPs and node ports of Services. The Services themselves are the record of what is taken. */
export function serviceClaims({ ranges, nodePortRange = DEFAULT_NODE_PORTS, rng, cache }: ServiceClaimsOptions): ResourceClaims {
  const claims = new ServiceClaims(ranges, new PortPool(nodePortRange, rng));
  for (const entry of cache.list()) claims.hold(entry.object);
  cache.subscribe((events) => {
    for (const { type, entry } of events) {
      if (type === 'DELETED') claims.release(entry.object);
      else claims.hold(entry.object);
    }
  });
  return claims;
}

class ServiceClaims implements ResourceClaims {
  readonly #addresses: AddressRanges;
  readonly #ports: PortPool;

  constructor(addresses: AddressRanges, ports: PortPool) {
    this.#addresses = addresses;
    this.#ports = ports;
  }

  /** Throws StatusError 422 in upstream's words. */
  take(object: KubeObject, previous: KubeObject | undefined): { object: KubeObject; commit(): void; rollback(): void } {
    const owner = keyOf(object);
    const before = previous && specOf(previous);
    const spec = copyOf(specOf(object));
    if (before) keepAllocated(spec, before);
    const errors = settleFamilies(spec, this.#addresses.families);
    const undo: (() => void)[] = [];
    if (errors.length === 0) errors.push(...this.#takeAll(spec, before, owner, undo));
    if (errors.length > 0) {
      for (const step of undo) step();
      throw invalid('Service', '', object.metadata.name ?? '', errors);
    }
    const taken = { ...object, spec };
    return {
      object: taken,
      commit: () => this.#dropUnused(before, spec, owner),
      rollback: () => {
        for (const step of undo.splice(0)) step();
      },
    };
  }

  hold(object: KubeObject): void {
    const owner = keyOf(object);
    const spec = specOf(object);
    for (const address of addressesOf(spec)) this.#addresses.hold(address, owner);
    for (const port of portsOf(spec)) this.#ports.hold(port, owner);
  }

  release(object: KubeObject): void {
    this.#dropUnused(specOf(object), undefined, keyOf(object));
  }

  #takeAll(spec: ServiceSpec, before: ServiceSpec | undefined, owner: string, undo: (() => void)[]): FieldError[] {
    const errors: FieldError[] = [];
    if (needsClusterIp(spec) && !isHeadless(spec)) errors.push(...this.#takeAddresses(spec, before, owner, undo));
    if (needsNodePorts(spec)) errors.push(...this.#takePorts(spec, before, owner, undo));
    if (needsHealthCheckPort(spec) && !(before && before.healthCheckNodePort === spec.healthCheckNodePort && spec.healthCheckNodePort)) {
      errors.push(...this.#takeHealthCheckPort(spec, owner, undo));
    }
    return errors;
  }

  #takeAddresses(spec: ServiceSpec, before: ServiceSpec | undefined, owner: string, undo: (() => void)[]): FieldError[] {
    const had = before ? addressesOf(before) : [];
    const given = spec.clusterIPs ?? [];
    const found: string[] = [];
    for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
      const asked = given[index];
      if (asked !== undefined && had.includes(asked)) {
        found.push(asked);
        continue;
      }
      try {
        const address = asked === undefined ? this.#addresses.takeAny(family as IpFamily, owner) : this.#addresses.take(asked, owner);
        undo.push(() => this.#addresses.release(address, owner));
        found.push(address);
      } catch (error) {
        if (!(error instanceof AllocationError)) throw error;
        if (asked === undefined) throw statusError('InternalError', `failed to allocate a serviceIP: ${error.message}`);
        return [
          {
            field: 'spec.clusterIPs',
            type: 'FieldValueInvalid',
            message: `Invalid value: ${JSON.stringify(given)}: failed to allocate IP ${asked}: ${error.message}`,
          },
        ];
      }
    }
    spec.clusterIPs = found;
    spec.clusterIP = found[0]!;
    return [];
  }

  #takePorts(spec: ServiceSpec, before: ServiceSpec | undefined, owner: string, undo: (() => void)[]): FieldError[] {
    const had = new Set(before ? portsOf(before) : []);
    const own = new Set<number>();
    const errors: FieldError[] = [];
    // Those that were asked for by number first, so that none of them is given away below.
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (!port.nodePort) continue;
      if (!had.has(port.nodePort) && !own.has(port.nodePort))
        errors.push(...this.#takePort(port.nodePort, `spec.ports[${index}].nodePort`, owner, undo));
      own.add(port.nodePort);
    }
    if (errors.length > 0) return errors;
    const byPort = new Map<number, ServicePort>();
    for (const port of spec.ports ?? []) {
      // One number for both protocols of a port, as DNS wants it.
      const sibling = byPort.get(port.port);
      if (!port.nodePort && sibling && sibling.protocol !== port.protocol) port.nodePort = sibling.nodePort!;
      else if (!port.nodePort) port.nodePort = this.#anyPort(owner, undo);
      byPort.set(port.port, port);
    }
    return [];
  }

  #takeHealthCheckPort(spec: ServiceSpec, owner: string, undo: (() => void)[]): FieldError[] {
    if (spec.healthCheckNodePort) return this.#takePort(spec.healthCheckNodePort, 'spec.healthCheckNodePort', owner, undo);
    spec.healthCheckNodePort = this.#anyPort(owner, undo);
    return [];
  }

  #takePort(port: number, field: string, owner: string, undo: (() => void)[]): FieldError[] {
    try {
      this.#ports.take(port, owner);
      undo.push(() => this.#ports.release(port, owner));
      return [];
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      return [{ field, type: 'FieldValueInvalid', message: `Invalid value: ${port}: ${error.message}` }];
    }
  }

  #anyPort(owner: string, undo: (() => void)[]): number {
    try {
      const port = this.#ports.takeAny(owner);
      undo.push(() => this.#ports.release(port, owner));
      return port;
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      throw statusError('InternalError', `failed to allocate a nodePort: ${error.message}`);
    }
  }

  #dropUnused(before: ServiceSpec | undefined, after: ServiceSpec | undefined, owner: string): void {
    if (!before) return;
    const addresses = new Set(after ? addressesOf(after) : []);
    const ports = new Set(after ? portsOf(after) : []);
    for (const address of addressesOf(before)) if (!addresses.has(address)) this.#addresses.release(address, owner);
    for (const port of portsOf(before)) if (!ports.has(port)) this.#ports.release(port, owner);
  }
}

const specOf = (object: KubeObject): ServiceSpec => (object as unknown as Service).spec ?? {};

function copyOf(spec: ServiceSpec): ServiceSpec {
  const copy = { ...spec };
  if (spec.ports) copy.ports = spec.ports.map((port) => ({ ...port }));
  // Clients of before dual-stack name one address only.
  if (copy.clusterIP && !copy.clusterIPs?.length) copy.clusterIPs = [copy.clusterIP];
  return copy;
}

/** The cluster IPs that a Service holds. */
export function addressesOf(spec: ServiceSpec): string[] {
  const addresses = spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP ?? ''];
  return addresses.filter((address) => address !== '' && address !== HEADLESS);
}

function portsOf(spec: ServiceSpec): number[] {
  const ports = (spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0);
  return [...ports, spec.healthCheckNodePort ?? 0].filter((port) => port > 0);
}
