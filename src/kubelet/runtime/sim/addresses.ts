/** Gives pods addresses of a range, each to one pod at a time, and none again before the others had their turn. */
export interface Addresses {
  /** Throws RangeError when all are taken. */
  take(): string;
  give(address: string): void;
}

/** The first two addresses are left out as CNI's host-local does (network and gateway), and the last (broadcast). */
const RESERVED = 2;

export function createAddresses(cidr: string): Addresses {
  const [base, bits] = cidr.split('/') as [string, string];
  const first = toNumber(base);
  const size = 2 ** (32 - Number(bits));
  const taken = new Set<number>();
  let next = RESERVED;
  return {
    take() {
      const usable = size - RESERVED - 1;
      if (taken.size >= usable) throw new RangeError(`failed to allocate for range 0: no IP addresses available in range set: ${cidr}`);
      while (taken.has(next)) next = following(next);
      const offset = next;
      taken.add(offset);
      next = following(offset);
      return toText(first + offset);
    },
    give: (address) => void taken.delete(toNumber(address) - first),
  };

  function following(offset: number): number {
    return offset + 1 >= size - 1 ? RESERVED : offset + 1;
  }
}

const toNumber = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toText = (value: number): string => [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
