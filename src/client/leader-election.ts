import { StatusError } from '../api/status.ts';
import { microTimestamp } from '../api/time.ts';
import type { Lease } from '../api/types.gen.ts';
import type { Component } from '../lib/component.ts';
import { errorMessage } from '../lib/errors.ts';
import type { ComponentContext } from './reconcile.ts';
import { LEASES } from './resources.ts';

export interface LeaderElectionOptions {
  /** The Lease: `kube-scheduler`, `kube-controller-manager`. */
  name: string;
  /** `kube-system` unless given. */
  namespace?: string;
  /** Unique to this process: host name and a random part. */
  identity: string;
  /** client-go's 15 s, 10 s and 2 s unless given. */
  leaseDurationMs?: number;
  renewDeadlineMs?: number;
  retryPeriodMs?: number;
}

/**
 * Runs what `make` gives only while this process holds the Lease; a new one each time it is won, since a stopped component stays stopped.
 *
 *     standing by --lease free or expired--> leading --not renewed within renewDeadline--> standing by
 *
 * `start` resolves after the first try: leading, with the component started, or standing by. `stop` gives the Lease back, so that the next
 * leader need not wait for it to expire. Expiry is judged by when this process saw the Lease change, never by comparing two hosts' clocks.
 */
export function underLeaderElection(context: ComponentContext, options: LeaderElectionOptions, make: () => Component): Component {
  return new LeaderElection(context, options, make);
}

class LeaderElection implements Component {
  readonly name: string;
  readonly #context: ComponentContext;
  readonly #options: Required<LeaderElectionOptions>;
  readonly #make: () => Component;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #led: Component | undefined;
  #observed: { lease: Lease; at: number } | undefined;
  #renewedAt = 0;

  constructor(context: ComponentContext, options: LeaderElectionOptions, make: () => Component) {
    const defaults = { namespace: 'kube-system', leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2000 };
    this.name = `${options.name} leader election`;
    this.#context = context;
    this.#options = { ...defaults, ...options };
    this.#make = make;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#step();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('leader election was stopped'));
    await this.#running;
    const led = this.#led !== undefined;
    await this.#stepDown();
    if (led) await this.#release();
  }

  async #run(): Promise<void> {
    const { clock, rng } = this.#context;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        // client-go jitters the wait of those who stand by, so that they do not all come at once.
        const jitter = this.#led ? 1 : 1 + 1.2 * rng.next();
        await clock.sleep(this.#options.retryPeriodMs * jitter, signal);
        await this.#step();
      } catch (error) {
        if (!signal.aborted) this.#context.log.error('leader election', { lease: this.#options.name, error });
      }
    }
  }

  /** One try for the Lease, and what follows from it. */
  async #step(): Promise<void> {
    const { clock, log, events } = this.#context;
    const { name, identity, renewDeadlineMs } = this.#options;
    const holds = await this.#tryHold();
    if (holds) this.#renewedAt = clock.monotonic();
    if (holds && !this.#led) {
      log.info('successfully acquired lease', { lease: name, identity });
      events.event(this.#observed!.lease, 'Normal', 'LeaderElection', `${identity} became leader`);
      this.#led = this.#make();
      await this.#led.start(this.#abort.signal);
    } else if (!holds && this.#led) {
      const holder = this.#observed?.lease.spec?.holderIdentity;
      if (holder === identity && clock.monotonic() - this.#renewedAt < renewDeadlineMs) return;
      log.warn('lost the lease', { lease: name, identity, holder });
      await this.#stepDown();
    }
  }

  async #stepDown(): Promise<void> {
    const led = this.#led;
    this.#led = undefined;
    await led?.stop();
  }

  /** Whether the Lease is ours now. Failures of the API count as no; they are told and tried again at the next period. */
  async #tryHold(): Promise<boolean> {
    try {
      return await this.#acquireOrRenew();
    } catch (error) {
      if (!(StatusError.is(error, 'Conflict') || StatusError.is(error, 'AlreadyExists'))) {
        this.#context.log.warn('cannot acquire or renew the lease', { lease: this.#options.name, error: errorMessage(error) });
      }
      return false;
    }
  }

  async #acquireOrRenew(): Promise<boolean> {
    const { client, clock } = this.#context;
    const { name, namespace, identity, leaseDurationMs } = this.#options;
    const leases = client.resource(LEASES, namespace);
    const current = await this.#read();
    const now = microTimestamp(clock.now());
    const spec = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000), renewTime: now };
    if (!current) {
      this.#observe(await leases.create({ metadata: { name, namespace }, spec: { ...spec, acquireTime: now, leaseTransitions: 0 } }));
      return true;
    }
    const { holderIdentity, acquireTime, leaseTransitions = 0 } = current.spec ?? {};
    const ours = holderIdentity === identity;
    if (!ours && holderIdentity && clock.monotonic() - this.#observed!.at < leaseDurationMs) return false;
    const taken = ours ? { acquireTime, leaseTransitions } : { acquireTime: now, leaseTransitions: leaseTransitions + 1 };
    this.#observe(await leases.update({ ...current, spec: { ...current.spec, ...spec, ...taken } }));
    return true;
  }

  async #read(): Promise<Lease | undefined> {
    const { name, namespace } = this.#options;
    try {
      const lease = await this.#context.client.resource(LEASES, namespace).get(name);
      this.#observe(lease);
      return lease;
    } catch (error) {
      if (StatusError.is(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  #observe(lease: Lease): void {
    if (this.#observed?.lease.metadata.resourceVersion === lease.metadata.resourceVersion) return;
    this.#observed = { lease, at: this.#context.clock.monotonic() };
  }

  async #release(): Promise<void> {
    const { name, namespace } = this.#options;
    const { lease } = this.#observed!;
    // A holder without a name is refused: nobody holds what names none.
    const { holderIdentity: _ours, ...spec } = lease.spec ?? {};
    const now = microTimestamp(this.#context.clock.now());
    try {
      await this.#context.client
        .resource(LEASES, namespace)
        .update({ ...lease, spec: { ...spec, leaseDurationSeconds: 1, acquireTime: now, renewTime: now } });
    } catch (error) {
      this.#context.log.info('the lease was not given back and will expire', { lease: name, error: errorMessage(error) });
    }
  }
}
