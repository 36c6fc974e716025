/** What changed, for the one reader that there is: the same pod twice in a row is told once. */
export interface EventQueue {
  push(event: { podUid: string }): void;
  read(signal: AbortSignal): AsyncIterable<{ podUid: string }>;
}

export function createEventQueue(): EventQueue {
  const pending = new Set<string>();
  let wake: (() => void) | undefined;
  return {
    push({ podUid }) {
      pending.add(podUid);
      wake?.();
    },
    async *read(signal) {
      const onAbort = (): void => wake?.();
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        while (!signal.aborted) {
          const uids = [...pending];
          pending.clear();
          for (const podUid of uids) yield { podUid };
          if (pending.size === 0 && !signal.aborted) await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}
