import { StatusError } from '../../api/status.ts';
import { resourcePath } from '../../client/resource-path.ts';
import { PODS } from '../../client/resources.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Api } from './api.ts';
import { clock } from './clock.ts';

export interface LogSource {
  namespace: string;
  pod: string;
  container: string;
  /** Of the instance before the last restart, which is over. */
  previous: boolean;
}

export interface LogState {
  /** The last lines, as many as are kept. */
  lines: readonly string[];
  /** How many came before them and are no longer kept. */
  first: number;
  /** Whether the container's log came to its end. */
  over: boolean;
  /** Why there is nothing (new) yet; it is tried again by itself. */
  waiting?: string;
}

const KEPT_LINES = 5000;
const TAIL_LINES = 1000;
/** Lines that come together are shown together. */
const GATHER_MS = 40;
const RETRY = { baseMs: 500, maxMs: 8000 };

/** Tells of the log as it grows, across losses of the connection and restarts of the container. Returns how to stop. */
export function followLog(api: Api, source: LogSource, show: (state: LogState) => void): () => void {
  const abort = new AbortController();
  const { signal } = abort;
  const log = new GatheredLog(show);
  const run = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        log.restart();
        for await (const lines of await api.lines(pathOf(source), signal)) {
          failures = 0;
          log.add(lines);
        }
        return log.end();
      } catch (error) {
        if (signal.aborted) return;
        // A container that has not started yet answers 400, and one of a pod that is gone 404.
        log.wait(errorMessage(error));
        if (source.previous || (error instanceof StatusError && (error.code === 404 || error.code === 403))) return;
        await clock.sleep(backoffDelay(failures, RETRY), signal);
      }
    }
  };
  run().catch((error: unknown) => {
    if (!signal.aborted) log.wait(errorMessage(error));
  });
  return () => {
    abort.abort(new Error('nobody looks at the log any more'));
    log.close();
  };
}

function pathOf({ namespace, pod, container, previous }: LogSource): string {
  const query = previous ? { container, previous } : { container, follow: true, tailLines: TAIL_LINES };
  return resourcePath(PODS, { namespace, name: pod, subresource: 'log', query });
}

class GatheredLog {
  readonly #show: (state: LogState) => void;
  #state: LogState = { lines: [], first: 0, over: false };
  #stale = false;
  #cancel: (() => void) | undefined;

  constructor(show: (state: LogState) => void) {
    this.#show = show;
  }

  /** What comes now begins anew: the last lines are sent again. They replace those shown when the first of them is here. */
  restart(): void {
    this.#stale = true;
  }

  add(lines: readonly string[]): void {
    const { lines: before, first } = this.#stale ? { lines: [], first: this.#state.first + this.#state.lines.length } : this.#state;
    this.#stale = false;
    const all = [...before, ...lines];
    const dropped = Math.max(0, all.length - KEPT_LINES);
    this.#set({ lines: dropped > 0 ? all.slice(dropped) : all, first: first + dropped, over: false });
  }

  end(): void {
    this.#set({ ...this.#state, over: true, waiting: undefined });
  }

  wait(why: string): void {
    this.#set({ ...this.#state, waiting: why });
  }

  close(): void {
    this.#cancel?.();
  }

  #set(state: LogState): void {
    this.#state = state;
    this.#cancel ??= clock.timer(GATHER_MS, () => {
      this.#cancel = undefined;
      this.#show(this.#state);
    });
  }
}
