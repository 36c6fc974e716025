/**
 * The objects that show cluster IPs and their ranges: an IPAddress for each address of a Service, and the ServiceCIDRs that add ranges. What is
 * taken is decided in memory (address-ranges.ts); the objects follow a moment later, so that creating a Service waits for one write only.
 */
import { keyOf, type KubeObject } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { IPAddress, Service, ServiceCIDR } from '../../api/types.gen.ts';
import type { Logger } from '../../lib/log.ts';
import { stored, type Stored, type StoredObjects } from '../stored.ts';
import type { AddressRanges } from './address-ranges.ts';
import { addressesOf } from './service-claims.ts';
import { familyOf } from './service-families.ts';

export interface AddressObjectsOptions extends StoredObjects {
  ranges: AddressRanges;
  log: Logger;
}

const GROUP = 'networking.k8s.io';
const FAMILY = 'ipaddress.kubernetes.io/ip-family';
const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by';
const MANAGER = 'ipallocator.k8s.io';
/** Made from the range that the server was started with. */
const DEFAULT_CIDR = 'kubernetes';

/** Takes over the ranges of ServiceCIDRs, now and as they change. The returned function ends it. */
export function followServiceCidrs({ ranges, ...objects }: Omit<AddressObjectsOptions, 'log'>): () => void {
  const cidrs = stored<ServiceCIDR>(objects, GROUP, 'v1', 'servicecidrs');
  const take = (): void =>
    ranges.setAdded(
      cidrs
        .list()
        .filter(isReady)
        .flatMap(({ spec }) => spec?.cidrs ?? []),
    );
  take();
  return cidrs.subscribe(take);
}

function isReady({ metadata, status }: ServiceCIDR): boolean {
  const ready = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
  return ready && metadata.name !== DEFAULT_CIDR && !metadata.deletionTimestamp;
}

/** Keeps an IPAddress for each cluster IP, and none for those that nobody has. The returned function ends it. */
export function keepIpAddresses(options: AddressObjectsOptions): () => void {
  const keeper = new IpAddressKeeper(options);
  return keeper.start();
}

class IpAddressKeeper {
  readonly #options: AddressObjectsOptions;
  readonly #services: Stored<Service>;
  readonly #addresses: Stored<IPAddress>;
  /** Addresses to look at. */
  readonly #due = new Set<string>();
  #working = false;
  #stopped = false;

  constructor(options: AddressObjectsOptions) {
    this.#options = options;
    this.#services = stored(options, '', 'v1', 'services');
    this.#addresses = stored(options, GROUP, 'v1', 'ipaddresses');
  }

  start(): () => void {
    for (const service of this.#services.list()) this.#note(addressesOf(service.spec ?? {}));
    for (const address of this.#addresses.list()) this.#reserve(address, false);
    const stops = [
      this.#services.subscribe((service, previous, deleted) => {
        const before = addressesOf(previous?.spec ?? {});
        const after = addressesOf(service.spec ?? {});
        // Most writes to a Service leave its addresses alone.
        if (deleted || !previous || before.join() !== after.join()) this.#note([...before, ...after]);
      }),
      this.#addresses.subscribe((address, _previous, deleted) => this.#reserve(address, deleted)),
    ];
    return () => {
      this.#stopped = true;
      for (const stop of stops) stop();
    };
  }

  /** An IPAddress that is no Service's keeps its address from Services; one of ours is compared with the Services. */
  #reserve({ metadata, spec }: IPAddress, deleted: boolean): void {
    const { ranges } = this.#options;
    const address = metadata.name!;
    if (metadata.labels?.[MANAGED_BY] === MANAGER) return this.#note([address]);
    const owner = `${spec?.parentRef?.group ?? ''}/${spec?.parentRef?.resource}/${spec?.parentRef?.namespace ?? ''}/${spec?.parentRef?.name}`;
    if (deleted) ranges.release(address, owner);
    else if (ranges.ownerOf(address) === undefined) ranges.hold(address, owner);
    if (deleted) this.#note([address]);
  }

  #note(addresses: readonly string[]): void {
    for (const address of addresses) this.#due.add(address);
    if (this.#due.size === 0 || this.#working) return;
    this.#working = true;
    void this.#work();
  }

  /** In a later turn, and all that is due side by side: the store commits them in one group. */
  async #work(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#due.size > 0 && !this.#stopped) {
      const addresses = [...this.#due];
      this.#due.clear();
      await Promise.all(addresses.map((address) => this.#settle(address)));
    }
    this.#working = false;
  }

  async #settle(address: string): Promise<void> {
    const { ranges, source, log } = this.#options;
    try {
      const service = this.#serviceOf(ranges.ownerOf(address), address);
      const live = this.#addresses.get('', address);
      if (live && live.metadata.labels?.[MANAGED_BY] === MANAGER && !refersTo(live, service)) {
        await source.delete(this.#addresses.resource, '', address);
        if (service) await source.create(this.#addresses.resource, ipAddress(address, service));
      } else if (!live && service) await source.create(this.#addresses.resource, ipAddress(address, service));
    } catch (error) {
      // Its next event brings us back.
      if (!StatusError.is(error, 'AlreadyExists') && !StatusError.is(error, 'NotFound') && !this.#stopped)
        log.warn('an IPAddress could not be kept', { address, error });
    }
  }

  /** The Service that has the address, as far as it is stored. */
  #serviceOf(owner: string | undefined, address: string): Service | undefined {
    const [namespace = '', name = ''] = owner?.split('/') ?? [];
    const service = this.#services.get(namespace, name);
    return service && addressesOf(service.spec ?? {}).includes(address) ? service : undefined;
  }
}

function refersTo({ spec }: IPAddress, service: Service | undefined): boolean {
  const { group = '', resource, namespace, name } = spec?.parentRef ?? { resource: '', name: '' };
  return service !== undefined && group === '' && resource === 'services' && `${namespace}/${name}` === keyOf(service);
}

function ipAddress(address: string, { metadata }: Service): KubeObject {
  const object: IPAddress = {
    apiVersion: `${GROUP}/v1`,
    kind: 'IPAddress',
    metadata: { name: address, labels: { [FAMILY]: familyOf(address), [MANAGED_BY]: MANAGER } },
    spec: { parentRef: { group: '', resource: 'services', namespace: metadata.namespace!, name: metadata.name! } },
  };
  return object as unknown as KubeObject;
}
