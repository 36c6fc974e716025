/**
 * A long-lived part of a process.
 *
 *     created --start()--> running --stop()--> stopped
 *        \________________stop()_______________/
 *
 * `start` resolves once the part does its work (its caches are filled, its socket listens) and rejects if it cannot;
 * `stop` may come in any state and twice, and resolves when every timer, socket and child of the part is gone.
 */
export interface Component {
  readonly name: string;
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}
