import { useLayoutEffect, useState } from 'preact/hooks';

/** A value that others watch. */
export interface Store<T> {
  get(): T;
  /** Tells the watchers when the value is another one. */
  set(value: T): void;
  /** Returns how to stop. */
  subscribe(listener: () => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The store's value; the component renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const value = store.get();
  const [, render] = useState(0);
  useLayoutEffect(() => {
    const again = (): void => render((count) => count + 1);
    // It may have changed since it was rendered.
    if (!Object.is(store.get(), value)) again();
    return store.subscribe(again);
  }, [store]);
  return value;
}
