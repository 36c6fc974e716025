import { StatusError } from '../../api/status.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { clock } from './clock.ts';

const BACKOFF = { baseMs: 300, maxMs: 8000 };

/** Asks until there is an answer, be it a refusal: only what never reached the cluster is asked again. Returns how to stop. */
export function untilAnswered<T>(ask: () => Promise<T>, answered: (value: T) => void, refused: (error: Error) => void): () => void {
  let cancel = (): void => undefined;
  let stopped = false;
  const attempt = (failures: number): void => {
    ask().then(
      (value) => stopped || answered(value),
      (error: unknown) => {
        if (stopped) return;
        refused(error as Error);
        if (!(error instanceof StatusError)) cancel = clock.timer(backoffDelay(failures, BACKOFF), () => attempt(failures + 1));
      },
    );
  };
  attempt(0);
  return () => {
    stopped = true;
    cancel();
  };
}
