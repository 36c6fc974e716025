import type { ObjectWithMeta } from '../api/meta.ts';
import type { Clock } from '../lib/clock.ts';
import type { Informer } from './informer.ts';

export interface WaitOptions {
  clock: Clock;
  timeoutMs: number;
  /** What is waited for, for the message of the timeout: `deployment web to be available`. */
  what: string;
  signal?: AbortSignal;
}

export class WaitTimeoutError extends Error {
  override name = 'WaitTimeoutError';
}

/**
 * Starts the informer, then resolves with the first answer of `check` that is not undefined: asked once now and after every change.
 * Throws WaitTimeoutError after `timeoutMs`, the signal's reason when it aborts, and whatever `check` throws.
 *
 *     const pod = await waitFor(pods, () => pods.list().find(isReady), { clock, timeoutMs: 30_000, what: 'a ready pod' });
 */
export async function waitFor<T extends ObjectWithMeta, R>(
  informer: Informer<T>,
  check: () => R | undefined,
  options: WaitOptions,
): Promise<R> {
  const { clock, timeoutMs, what, signal } = options;
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  const look = (): void => {
    try {
      const found = check();
      if (found !== undefined) resolve(found);
    } catch (error) {
      reject(error);
    }
  };
  const onAbort = (): void => reject(signal!.reason);
  const cancel = clock.timer(timeoutMs, () => reject(new WaitTimeoutError(`timed out after ${timeoutMs} ms waiting for ${what}`)));
  signal?.addEventListener('abort', onAbort, { once: true });
  const unsubscribe = informer.subscribe({ added: look, updated: look, deleted: look });
  try {
    informer.start().then(look, reject);
    return await promise;
  } finally {
    cancel();
    unsubscribe();
    signal?.removeEventListener('abort', onAbort);
  }
}
