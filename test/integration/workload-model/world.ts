/**
 * The world of the model test: the real API server on a store in memory, the real controllers behind a network that can be slow, nodes and
 * their kubelets that do what the test says, and one stepped clock for all. The same steps lead to the same world.
 */
import type { ApiRequest, ApiResponse, Transport } from '../../../src/api/transport.ts';
import type { Client } from '../../../src/client/client.ts';
import { createClient } from '../../../src/client/new-client.ts';
import type { ComponentContext } from '../../../src/client/reconcile.ts';
import { NODES, SERVICE_ACCOUNTS } from '../../../src/client/resources.ts';
import { createDaemonSetController } from '../../../src/controllers/daemonset/daemon-set-controller.ts';
import { createDeploymentController } from '../../../src/controllers/deployment/deployment-controller.ts';
import { createGarbageCollector } from '../../../src/controllers/garbagecollector/garbage-collector.ts';
import { createJobController } from '../../../src/controllers/job/job-controller.ts';
import { createPodGarbageCollector } from '../../../src/controllers/podgc/pod-garbage-collector.ts';
import { createReplicaSetController } from '../../../src/controllers/replicaset/replica-controller.ts';
import { createReplicationController } from '../../../src/controllers/replicationcontroller/replication-controller.ts';
import { createStatefulSetController } from '../../../src/controllers/statefulset/stateful-set-controller.ts';
import { ManualClock } from '../../../src/lib/clock.ts';
import type { Component } from '../../../src/lib/component.ts';
import { createLogger } from '../../../src/lib/log.ts';
import { seededRng, type Rng } from '../../../src/lib/random.ts';
import { startTestApiServer, type TestApiServer } from '../../fixtures/apiserver.ts';
import { MemoryStorage } from '../../fixtures/memory-storage.ts';
import { Truth } from './truth.ts';

export const NODE_NAMES = ['n1', 'n2', 'n3', 'n4'];
/** The longest that a watch event or an answer may take: what a controller decides is never older than a few of these. */
export const MAX_LAG_MS = 800;
/** Turns of the event loop in which nothing came or went: what was to follow has followed. */
const QUIET_TURNS = 8;

interface Process {
  components: Component[];
  client: Client;
  kill: AbortController;
}

export class World {
  readonly clock = new ManualClock();
  readonly truth = new Truth();
  readonly rng: Rng;
  admin!: Client;
  /** How late watch events arrive and requests leave at most, ms. */
  lagMs = 0;
  #lagUntil = -Infinity;
  /** Warnings and errors of controllers. */
  readonly logged: string[] = [];
  #server!: TestApiServer;
  #process: Process | undefined;
  readonly #dying: Promise<unknown>[] = [];
  #busy = 0;
  #activity = 0;

  constructor(seed: number) {
    this.rng = seededRng(seed);
  }

  async start(): Promise<void> {
    const storage = new MemoryStorage();
    storage.onWrite = this.truth.note;
    const log = createLogger({ level: 'error', write: (line) => void this.logged.push(line) });
    this.truth.listen(() => void this.#activity++);
    this.#server = await startTestApiServer({
      open: () => Promise.resolve(storage),
      clock: this.clock,
      rng: seededRng(7),
      log,
      advertiseAddress: '192.0.2.10',
    });
    this.admin = createClient({ transport: this.#counted(this.#server.loopback()), clock: this.clock, log });
    await this.admin.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
    for (const name of NODE_NAMES) await this.addNode(name);
    this.startControllers();
    await this.settle();
  }

  async addNode(name: string): Promise<void> {
    await this.admin.resource(NODES).create({ metadata: { name } });
    // Admission marks every new node as not ready; no node lifecycle controller takes the mark away here.
    await this.admin.resource(NODES).patch(name, 'merge', { spec: { taints: null } });
  }

  startControllers(): void {
    const kill = new AbortController();
    const log = createLogger({ level: 'error', write: (line) => void this.logged.push(line) });
    const client = createClient({
      transport: this.#slow(this.#counted(this.#server.loopback()), kill.signal),
      clock: this.clock,
      log,
      rng: seededRng(5),
    });
    const context: ComponentContext = { client, clock: this.clock, rng: seededRng(6), log, events: { event: () => undefined } };
    const components = [
      createDeploymentController,
      createReplicaSetController,
      createReplicationController,
      createStatefulSetController,
      createDaemonSetController,
      createJobController,
      createPodGarbageCollector,
      createGarbageCollector,
    ].flatMap((create) => create(context));
    for (const component of components)
      component.start(kill.signal).catch((error: unknown) => {
        if (!kill.signal.aborted) throw error;
      });
    this.#process = { components, client, kill };
  }

  /** As by kill -9: requests that have not left never leave, answers never arrive. */
  killControllers(): void {
    const { components, client, kill } = this.#process!;
    this.#process = undefined;
    kill.abort(new Error('killed'));
    this.#dying.push(Promise.allSettled([...components.map((component) => component.stop()), client.close()]));
  }

  setLag(ms: number): void {
    this.#lagUntil = this.lagMs > 0 ? this.clock.now() : this.#lagUntil;
    this.lagMs = ms;
  }

  /** A controller that writes now decided by what was true at most so long ago, ms: its cache's age and the requests of one reconcile. */
  get horizonMs(): number {
    const wasSlow = this.lagMs > 0 || this.clock.now() - this.#lagUntil < 20 * MAX_LAG_MS;
    return wasSlow ? 20 * MAX_LAG_MS : 1000;
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let quiet = 0, seen = -1, turns = 0; quiet < QUIET_TURNS && turns < 5000; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
      quiet = this.#busy === 0 && seen === this.#activity ? quiet + 1 : 0;
      seen = this.#activity;
    }
  }

  async pass(ms: number): Promise<void> {
    const pieces = this.lagMs > 0 ? 6 : 2;
    for (let piece = 0; piece < pieces; piece++) {
      await this.clock.advance(ms / pieces);
      await this.settle();
    }
  }

  async stop(): Promise<void> {
    if (this.#process) this.killControllers();
    // Whoever sleeps on the clock is woken, so that nothing is left hanging.
    await this.clock.advance(10_000);
    await this.settle();
    await Promise.all(this.#dying);
    await this.admin.close();
    await this.#server.close();
  }

  /** Counts requests that are under way, so that `settle` knows. */
  #counted(transport: Transport): Transport {
    return async (request) => {
      this.#busy++;
      this.#activity++;
      try {
        const response = await transport(request);
        return response.events ? { ...response, events: this.#watched(response.events) } : response;
      } finally {
        this.#busy--;
        this.#activity++;
      }
    };
  }

  async *#watched<T>(batches: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const batch of batches) {
      this.#activity++;
      yield batch;
    }
  }

  #slow(transport: Transport, killed: AbortSignal): Transport {
    const linger = async (): Promise<void> => {
      if (this.lagMs > 0) await this.clock.sleep(this.rng.next() * this.lagMs, killed);
      killed.throwIfAborted();
    };
    // Each event is late by itself: those behind it do not wait longer for that.
    const late = async function* <T>(batches: AsyncIterable<T>): AsyncGenerator<T> {
      const arrivals: Promise<IteratorResult<T>>[] = [];
      const source = batches[Symbol.asyncIterator]();
      const next = async (): Promise<IteratorResult<T>> => {
        const result = await source.next();
        if (!result.done) expect();
        await linger();
        return result;
      };
      const expect = (): void => {
        const arrival = next();
        // A failure is for whoever waits for this arrival; after a kill nobody does.
        arrival.catch(() => undefined);
        arrivals.push(arrival);
      };
      expect();
      for (;;) {
        const { done, value } = await arrivals.shift()!;
        if (done) return;
        yield value;
      }
    };
    return async (request: ApiRequest): Promise<ApiResponse> => {
      killed.throwIfAborted();
      if (request.method !== 'GET') await linger();
      const response = await transport(request);
      if (response.events) return { ...response, events: late(response.events) };
      await linger();
      return response;
    };
  }
}
