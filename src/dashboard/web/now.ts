import { clock } from './clock.ts';
import { createStore, useStore } from './store.ts';

const TICK_MS = 1000;
const now = createStore(clock.now());

/** The time, told anew every second; not while nobody can see it. */
export function useNow(): number {
  return useStore(ticking);
}

let watchers = 0;
let cancel = (): void => undefined;

const ticking: typeof now = {
  ...now,
  subscribe: (listener) => {
    const stop = now.subscribe(listener);
    if (watchers++ === 0) tick();
    return () => {
      stop();
      if (--watchers === 0) cancel();
    };
  },
};

function tick(): void {
  cancel();
  now.set(clock.now());
  if (!document.hidden) cancel = clock.timer(TICK_MS, tick);
}

document.addEventListener('visibilitychange', () => {
  if (watchers > 0) tick();
});
