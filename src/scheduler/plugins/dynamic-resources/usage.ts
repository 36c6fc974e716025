/** What of the devices is taken: by claims that are allocated, by pods on their way, and by the allocation that is being tried. */
import { addQuantities, compareQuantities, subtractQuantities } from '../../../api/codec/quantity.ts';
import type { AllocationResult, DeviceRequestAllocationResult } from '../../../api/types.gen.ts';
import type { Pool, PooledDevice } from './pools.ts';

type Amounts = Readonly<Record<string, string>>;

/** Devices by `driver/pool/device`. */
export class DeviceUsage {
  /** How many have it for themselves: 0 or 1, but for the moment in which a claim is both allocated and on its way. */
  readonly #exclusive = new Set<string>();
  /** What of the capacity of a device that several share is consumed. */
  readonly #shared = new Map<string, Map<string, string>>();
  readonly #counters = new Map<string, string>();

  /** Admin access takes nothing. */
  addAllocation({ devices }: AllocationResult, pools: ReadonlyMap<string, Pool>): void {
    for (const result of devices?.results ?? []) this.#addResult(result, pools);
  }

  #addResult(
    { driver, pool, device: name, adminAccess, consumedCapacity, shareID }: DeviceRequestAllocationResult,
    pools: ReadonlyMap<string, Pool>,
  ): void {
    if (adminAccess) return;
    const poolId = `${driver}/${pool}`;
    const id = `${poolId}/${name}`;
    const isFirst = !this.#exclusive.has(id) && !this.#shared.has(id);
    if (shareID || consumedCapacity) this.#consume(id, consumedCapacity ?? {}, 1);
    else this.#exclusive.add(id);
    const device = isFirst ? pools.get(poolId)?.devices.find((each) => each.id === id) : undefined;
    if (device) this.#count(device, 1);
  }

  /** Takes the device; `consumed` where it is one that several may share. */
  take(device: PooledDevice, consumed?: Amounts): void {
    const isFirst = !this.#exclusive.has(device.id) && !this.#shared.has(device.id);
    if (consumed) this.#consume(device.id, consumed, 1);
    else this.#exclusive.add(device.id);
    if (isFirst) this.#count(device, 1);
  }

  /** Undoes `take`. */
  giveBack(device: PooledDevice, consumed?: Amounts): void {
    if (consumed) this.#consume(device.id, consumed, -1);
    else this.#exclusive.delete(device.id);
    if (!this.#exclusive.has(device.id) && !this.#shared.has(device.id)) this.#count(device, -1);
  }

  /** Whether the device can be taken (again), with the counters of its pool. */
  isFree(device: PooledDevice, pool: Pool, consumed?: Amounts): boolean {
    if (this.#exclusive.has(device.id)) return false;
    const shared = this.#shared.get(device.id);
    if (shared && !consumed) return false;
    for (const [name, amount] of Object.entries(consumed ?? {})) {
      const total = device.device.capacity?.[name]?.value;
      if (total === undefined || compareQuantities(addQuantities(shared?.get(name) ?? '0', amount), total) > 0) return false;
    }
    return shared !== undefined || this.#hasCounters(device, pool);
  }

  #hasCounters({ device, poolId }: PooledDevice, pool: Pool): boolean {
    return (device.consumesCounters ?? []).every(({ counterSet, counters }) =>
      Object.entries(counters).every(([name, { value }]) => {
        const total = pool.counters.get(`${counterSet}/${name}`);
        const used = this.#counters.get(`${poolId}/${counterSet}/${name}`) ?? '0';
        return total !== undefined && compareQuantities(addQuantities(used, value), total) <= 0;
      }),
    );
  }

  #count({ device, poolId }: PooledDevice, sign: 1 | -1): void {
    for (const { counterSet, counters } of device.consumesCounters ?? []) {
      for (const [name, { value }] of Object.entries(counters)) {
        const key = `${poolId}/${counterSet}/${name}`;
        const before = this.#counters.get(key) ?? '0';
        this.#counters.set(key, sign === 1 ? addQuantities(before, value) : subtractQuantities(before, value));
      }
    }
  }

  #consume(id: string, amounts: Amounts, sign: 1 | -1): void {
    const used = this.#shared.get(id) ?? new Map<string, string>();
    const shares = Number(used.get(SHARES) ?? '0') + sign;
    for (const [name, amount] of Object.entries(amounts)) {
      const before = used.get(name) ?? '0';
      used.set(name, sign === 1 ? addQuantities(before, amount) : subtractQuantities(before, amount));
    }
    used.set(SHARES, String(shares));
    if (shares > 0) this.#shared.set(id, used);
    else this.#shared.delete(id);
  }
}

/** No name of a capacity: those have no spaces. */
const SHARES = 'number of shares';
