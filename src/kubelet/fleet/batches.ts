/** So many calls are under way at a time: enough to fill the server's write batches. */
const AT_A_TIME = 64;

/** Runs the action for every item, many at a time. Rejects with the first failure, or when the signal aborts. */
export async function inBatches<T>(items: readonly T[], action: (item: T) => Promise<void>, signal: AbortSignal): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < items.length) {
      signal.throwIfAborted();
      await action(items[next++]!);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, work));
}
