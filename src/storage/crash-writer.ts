import type { Storage } from './storage.ts';

const WRITERS = 16;

/** Creates keys under /crash/ without end, many at a time; `acknowledged` hears of each one that the store said is durable. */
export async function writeUntilKilled(storage: Storage, acknowledged: (key: string, revision: number) => void): Promise<void> {
  let count = 0;
  const writer = async (): Promise<never> => {
    for (;;) {
      const key = `/crash/${String(count++).padStart(9, '0')}`;
      const { revision } = await storage.create(key, Buffer.alloc(500, count));
      acknowledged(key, revision);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}
