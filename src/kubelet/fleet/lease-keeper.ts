/** Keeps the leases of many nodes with one timer: every second it renews those whose turn it is. */
import { StatusError } from '../../api/status.ts';
import type { Lease } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { LEASES } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import { microTimestamp } from '../../api/time.ts';
import { inBatches } from './batches.ts';

const NAMESPACE = 'kube-node-lease';
/** Below the node controller's 50 s by more than one missed turn of a busy machine. */
const ROUND_TICKS = 35;
const TICK_MS = 1000;
const DURATION_SECONDS = 60;

export interface LeaseKeeperOptions {
  client: Client;
  clock: Clock;
  log: Logger;
}

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #names: readonly string[];
  #tick = 0;
  #cancel: (() => void) | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: LeaseKeeperOptions, names: readonly string[]) {
    this.#options = options;
    this.#names = names;
  }

  /** Resolves when every node has a lease that was renewed now. */
  async start(signal: AbortSignal): Promise<void> {
    await inBatches(this.#names, (name) => this.#renew(name), signal);
    this.#schedule(signal);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#renewing;
  }

  #schedule(signal: AbortSignal): void {
    if (this.#stopped || this.#names.length === 0) return;
    this.#cancel = this.#options.clock.timer(TICK_MS, () => {
      this.#renewing = this.#turn(signal).finally(() => this.#schedule(signal));
    });
  }

  /** Never rejects: what was not renewed is renewed in its next turn, and the log says so. */
  async #turn(signal: AbortSignal): Promise<void> {
    const turn = this.#tick++ % ROUND_TICKS;
    try {
      await inBatches(
        this.#names.filter((_, index) => index % ROUND_TICKS === turn),
        (name) => this.#renew(name),
        signal,
      );
    } catch (error) {
      if (!signal.aborted) this.#options.log.warn('leases of simulated nodes could not be renewed', { error: errorMessage(error) });
    }
  }

  async #renew(name: string): Promise<void> {
    const { client, clock } = this.#options;
    const leases = client.resource(LEASES, NAMESPACE);
    const renewTime = microTimestamp(clock.now());
    try {
      await leases.patch(name, 'merge', { spec: { renewTime } });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
      await leases.create(newLease(name, renewTime));
    }
  }
}

function newLease(name: string, renewTime: string): Lease {
  const spec = { holderIdentity: name, leaseDurationSeconds: DURATION_SECONDS, renewTime };
  return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: NAMESPACE }, spec };
}
