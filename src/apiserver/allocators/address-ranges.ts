import type { Rng } from '../../lib/random.ts';
import { AddressPool, AllocationError, Holders } from './pools.ts';
import { familyOf, type IpFamily } from './service-families.ts';

/** All ranges that cluster IPs are taken from: those that the server was started with, and those that ServiceCIDR objects add (KEP-1880). */
export class AddressRanges {
  /** The cluster's families, the primary first. */
  readonly families: readonly IpFamily[];
  readonly #own: readonly AddressPool[];
  readonly #held = new Holders<string>();
  readonly #rng: Rng;
  #added: readonly AddressPool[] = [];

  /** `cidrs` is one, or one for each family; the primary first. */
  constructor(cidrs: readonly string[], rng: Rng) {
    this.#rng = rng;
    this.#own = cidrs.map((cidr) => new AddressPool(cidr, rng, this.#held));
    this.families = this.#own.map(({ range }) => range.family);
  }

  /** The ranges besides those of the start. */
  setAdded(cidrs: readonly string[]): void {
    this.#added = cidrs.map((cidr) => new AddressPool(cidr, this.#rng, this.#held));
  }

  /** Returns the address. Throws AllocationError when it is in no range or somebody else's. */
  take(address: string, owner: string): string {
    const family = familyOf(address);
    const pools = this.#of(family);
    const pool = pools.find(({ range }) => range.offsetOf(address) !== undefined) ?? pools[0];
    if (!pool) throw new AllocationError(`the provided IP (${address}) is not in the valid range`);
    pool.take(address, owner);
    return address;
  }

  /** A free one of the first range that has one. Throws AllocationError. */
  takeAny(family: IpFamily, owner: string): string {
    const pools = this.#of(family);
    for (const [index, pool] of pools.entries()) {
      try {
        return pool.takeAny(owner);
      } catch (error) {
        if (!(error instanceof AllocationError) || index === pools.length - 1) throw error;
      }
    }
    throw new AllocationError('range is full');
  }

  /** Whoever had it before. */
  hold(address: string, owner: string): void {
    this.#held.hold(address, owner);
  }

  ownerOf(address: string): string | undefined {
    return this.#held.ownerOf(address);
  }

  release(address: string, owner: string): void {
    this.#held.release(address, owner);
  }

  #of(family: IpFamily): readonly AddressPool[] {
    return [...this.#own, ...this.#added].filter(({ range }) => range.family === family);
  }
}
