import type { Rng } from '../../lib/random.ts';
import { ServiceRange } from './service-ip.ts';

/** Why something could not be had; upstream's words. */
export class AllocationError extends Error {}

/** Who holds what, in memory: filled from the Services that exist, so that nothing is lost or leaked over a restart. */
export class Holders<K> {
  readonly #owners = new Map<K, string>();

  get size(): number {
    return this.#owners.size;
  }

  ownerOf(item: K): string | undefined {
    return this.#owners.get(item);
  }

  hold(item: K, owner: string): void {
    this.#owners.set(item, owner);
  }

  /** Only its owner gives a thing back. */
  release(item: K, owner: string): void {
    if (this.#owners.get(item) === owner) this.#owners.delete(item);
  }
}

/** Addresses of one service range. */
export class AddressPool {
  readonly range: ServiceRange;
  readonly #held: Holders<string>;
  readonly #rng: Rng;

  /** Ranges may overlap: those of one cluster share their holders. */
  constructor(cidr: string, rng: Rng, held = new Holders<string>()) {
    this.range = new ServiceRange(cidr);
    this.#rng = rng;
    this.#held = held;
  }

  /** Throws AllocationError when it is outside of the range or somebody else's. */
  take(address: string, owner: string): void {
    if (this.range.offsetOf(address) === undefined) {
      throw new AllocationError(`the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.range.cidr}`);
    }
    const holder = this.#held.ownerOf(address);
    if (holder !== undefined && holder !== owner) throw new AllocationError('provided IP is already allocated');
    this.#held.hold(address, owner);
  }

  /** A free one: from the upper part first, which leaves the lower for those who ask by number (KEP-3070). Throws AllocationError. */
  takeAny(owner: string): string {
    const { size } = this.range;
    const reserved = reservedFor(size);
    const address = this.#free(reserved + 1n, size - reserved) ?? this.#free(1n, reserved);
    if (address === undefined) throw new AllocationError('range is full');
    this.#held.hold(address, owner);
    return address;
  }

  release(address: string, owner: string): void {
    this.#held.release(address, owner);
  }

  /** From a random place onwards, round to it. */
  #free(first: bigint, count: bigint): string | undefined {
    if (count <= 0n) return undefined;
    const steps = count > MAX_RANDOM ? MAX_RANDOM : count;
    const start = BigInt(Math.floor(this.#rng.next() * Number(steps)));
    for (let step = 0n; step < steps; step++) {
      const address = this.range.at(first + ((start + step) % steps));
      if (this.#held.ownerOf(address) === undefined) return address;
      if (step > BigInt(this.#held.size)) return undefined;
    }
    return undefined;
  }
}

/** More than this of a range is never looked at (an IPv6 /64 is endless). */
const MAX_RANDOM = 1n << 32n;

/** min(max(16, size / 16), 256) */
function reservedFor(size: bigint): bigint {
  const sixteenth = size / 16n;
  const least = sixteenth < 16n ? 16n : sixteenth;
  const reserved = least > 256n ? 256n : least;
  return size <= reserved ? 0n : reserved;
}

/** Node ports. One Service may use a number for several protocols. */
export class PortPool {
  readonly #first: number;
  readonly #last: number;
  readonly #held = new Holders<number>();
  readonly #rng: Rng;

  /** `range` is `30000-32767`. */
  constructor(range: string, rng: Rng) {
    const [first = '', last = ''] = range.split('-');
    this.#first = Number(first);
    this.#last = Number(last || first);
    this.#rng = rng;
  }

  take(port: number, owner: string): void {
    if (port < this.#first || port > this.#last) {
      throw new AllocationError(`provided port is not in the valid range. The range of valid ports is ${this.#first}-${this.#last}`);
    }
    const holder = this.#held.ownerOf(port);
    if (holder !== undefined && holder !== owner) throw new AllocationError('provided port is already allocated');
    this.#held.hold(port, owner);
  }

  takeAny(owner: string): number {
    const count = this.#last - this.#first + 1;
    // As for addresses: those who ask by number mostly take the lowest.
    const reserved = Math.min(Math.max(16, Math.floor(count / 32)), 128, count - 1);
    const upper = count - reserved;
    const start = Math.floor(this.#rng.next() * upper);
    for (let step = 0; step < count; step++) {
      const offset = step < upper ? reserved + ((start + step) % upper) : step - upper;
      const port = this.#first + offset;
      if (this.#held.ownerOf(port) !== undefined) continue;
      this.#held.hold(port, owner);
      return port;
    }
    throw new AllocationError('range is full');
  }

  hold(port: number, owner: string): void {
    this.#held.hold(port, owner);
  }

  release(port: number, owner: string): void {
    this.#held.release(port, owner);
  }
}
