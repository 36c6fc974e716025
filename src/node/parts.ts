import type { Client } from '../client/client.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';

/** What has started, in order, so that it can be stopped in reverse. */
export class Parts {
  readonly #log: Logger;
  readonly #stops: { name: string; stop: () => Promise<void> }[] = [];
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  started(part: Component): void {
    this.onStop(part.name, () => part.stop());
  }

  onStop(name: string, stop: () => Promise<void>): void {
    this.#stops.unshift({ name, stop });
  }

  client(client: Client): Client {
    this.onStop('client', () => client.close());
    return client;
  }

  /** Starts components side by side. Rejects with the name of the first that fails. */
  async start(components: readonly Component[], signal: AbortSignal): Promise<void> {
    await Promise.all(
      components.map(async (component) => {
        this.started(component);
        try {
          await component.start(signal);
        } catch (error) {
          throw new Error(`${component.name} did not start: ${errorMessage(error)}`, { cause: error });
        }
      }),
    );
  }

  /** Every part gets its chance, whatever the others do. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    for (const { name, stop } of this.#stops) {
      try {
        await stop();
      } catch (error) {
        this.#log.error('a part did not stop as it should', { part: name, error: errorMessage(error) });
      }
    }
  }
}
