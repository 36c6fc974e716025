/**
 * The one loop of all controllers. A reconcile function gets a key, reads the informer caches and has one of four outcomes:
 * done (returns nothing), again after a while (`{ afterMs }`), error with backoff (throws), terminal error (throws TerminalError).
 * One key is never worked on twice at once; a key that is added while it is being worked on runs once more afterwards.
 */
import type { Clock } from '../lib/clock.ts';
import type { Component } from '../lib/component.ts';
import type { Logger } from '../lib/log.ts';
import type { Rng } from '../lib/random.ts';
import type { Client } from './client.ts';
import type { EventRecorder } from './events.ts';

export type ReconcileResult = { afterMs: number } | undefined | void;

export interface Reconciler {
  /** The queue's name in logs and metrics. */
  name: string;
  /** How many keys at a time; 1 unless given. */
  concurrency?: number;
  /** Called once at start: subscribe to informers here and add keys. Informers are started and synced before the first reconcile. */
  setup(queue: { add(key: string): void; addAfter(key: string, ms: number): void }): void | Promise<void>;
  reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult>;
}

/** An error that no retry can mend: logged once, the key is dropped until something changes. */
export class TerminalError extends Error {
  override name = 'TerminalError';
}

/** What every component that works against the API gets. */
export interface ComponentContext {
  client: Client;
  clock: Clock;
  rng: Rng;
  log: Logger;
  /** Records core/v1 Events (series are counted up, spam is held back) with this component's name as source. */
  events: EventRecorder;
}

/** Makes the component that runs a reconciler. Implemented in `loop.ts`. */
export type RunReconciler = (context: ComponentContext, reconciler: Reconciler) => Component;
