import { StatusError } from '../api/status.ts';
import { abortable } from '../lib/abortable.ts';
import type { Component } from '../lib/component.ts';
import { KeyQueue } from './key-queue.ts';
import type { ComponentContext, Reconciler, RunReconciler } from './reconcile.ts';
import { TerminalError } from './reconcile.ts';

/** After so many keys in a row a worker lets I/O have its turn: reconciles that only read caches would never leave the microtask queue. */
const KEYS_PER_TURN = 50;

/** The component that runs a reconciler: `start` resolves when the informers are synced and work has begun, `stop` when the work in hand is done. */
export const runReconciler: RunReconciler = (context, reconciler) => new ReconcileLoop(context, reconciler);

class ReconcileLoop implements Component {
  readonly name: string;
  readonly #context: ComponentContext;
  readonly #reconciler: Reconciler;
  readonly #queue: KeyQueue;
  readonly #abort = new AbortController();
  readonly #inWork = new Set<Promise<void>>();
  #started = false;
  #workers = 0;

  constructor(context: ComponentContext, reconciler: Reconciler) {
    this.name = reconciler.name;
    this.#context = context;
    this.#reconciler = reconciler;
    this.#queue = new KeyQueue(context.clock, () => this.#fill());
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#reconciler.setup({ add: (key) => this.#queue.add(key), addAfter: (key, ms) => this.#queue.addAfter(key, ms) });
    await abortable(this.#context.client.syncInformers(), AbortSignal.any([signal, this.#abort.signal]));
    this.#started = true;
    this.#fill();
  }

  async stop(): Promise<void> {
    this.#queue.close();
    this.#abort.abort(new Error(`${this.name} was stopped`));
    await Promise.all(this.#inWork);
  }

  /** Puts idle workers to work. They begin in a later turn, so that a batch of events is noted in full before the first reconcile. */
  #fill(): void {
    if (!this.#started || this.#abort.signal.aborted) return;
    if (this.#workers >= (this.#reconciler.concurrency ?? 1)) return;
    this.#workers++;
    const worker = this.#work().finally(() => {
      this.#inWork.delete(worker);
    });
    this.#inWork.add(worker);
  }

  async #work(): Promise<void> {
    const { signal } = this.#abort;
    await nextTurn();
    for (let count = 1; ; count++) {
      const key = signal.aborted ? undefined : this.#queue.take();
      if (key === undefined) {
        // Counted down in the same step as the look at the queue: a key that is added right after finds a free worker.
        this.#workers--;
        return;
      }
      await this.#reconcile(key, signal);
      this.#queue.done(key);
      if (count % KEYS_PER_TURN === 0) await nextTurn();
    }
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    try {
      const result = await this.#reconciler.reconcile(key, signal);
      this.#queue.forget(key);
      if (result) this.#queue.addAfter(key, result.afterMs);
    } catch (error) {
      if (!signal.aborted) this.#afterFailure(key, error);
    }
  }

  #afterFailure(key: string, error: unknown): void {
    const log = this.#context.log.with({ controller: this.name, key });
    if (error instanceof TerminalError) {
      this.#queue.forget(key);
      log.error('giving up until something changes', { error });
      return;
    }
    const retryInMs = this.#queue.addAfterFailure(key);
    // Losing a race for an object is the ordinary way of optimistic concurrency; it tells a reader of the log nothing.
    const raced = StatusError.is(error, 'Conflict') && this.#queue.failuresOf(key) < 5;
    if (raced) log.debug('reconcile lost a race', { error, retryInMs });
    else log.warn('reconcile failed', { error, retryInMs });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
