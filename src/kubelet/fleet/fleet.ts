/**
 * Many simulated nodes in one component, for lessons on scheduling and for load: Node objects, leases and pod statuses without a kubelet
 * each. Pods are said to run; nothing listens, and there are no logs to read.
 */
import { StatusError } from '../../api/status.ts';
import type { Node } from '../../api/types.gen.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { NODES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { errorMessage } from '../../lib/errors.ts';
import { FLEET_LABEL, fleetNode, fleetNodeName, type FleetNodeOptions } from './fleet-node.ts';
import { FleetPods } from './fleet-pods.ts';
import { inBatches } from './batches.ts';
import { LeaseKeeper } from './lease-keeper.ts';

export interface FleetOptions extends Omit<ComponentContext, 'events'>, FleetNodeOptions {
  count: number;
}

/** `start` resolves when every node is registered and Ready. Nodes of an earlier, larger fleet are removed. */
export function createFleet(options: FleetOptions): Component {
  return new Fleet(options);
}

class Fleet implements Component {
  readonly name = 'fleet';
  readonly #options: FleetOptions;
  readonly #leases: LeaseKeeper;
  readonly #pods: FleetPods;
  readonly #stopped = new AbortController();

  constructor(options: FleetOptions) {
    this.#options = options;
    const names = Array.from({ length: options.count }, (_, index) => fleetNodeName(options.nodePrefix, index));
    this.#leases = new LeaseKeeper(options, names);
    this.#pods = new FleetPods(options, new Map(names.map((name, index) => [name, index])));
  }

  async start(signal: AbortSignal): Promise<void> {
    const { count, log, clock } = this.#options;
    const began = clock.monotonic();
    const stop = AbortSignal.any([signal, this.#stopped.signal]);
    const known = await this.#known();
    await this.#pods.start(stop);
    await inBatches(
      Array.from({ length: count }, (_, index) => index),
      (index) => this.#register(index, known),
      stop,
    );
    await inBatches([...known.keys()], (name) => this.#removeBeyond(name), stop);
    await this.#leases.start(stop);
    log.info('simulated nodes are registered', { count, ms: Math.round(clock.monotonic() - began) });
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('the fleet stops'));
    await Promise.all([this.#leases.stop(), this.#pods.stop()]);
  }

  async #known(): Promise<Map<string, Node>> {
    const { items } = await this.#options.client.resource(NODES).list({ labelSelector: FLEET_LABEL });
    return new Map(items.map((node) => [node.metadata.name!, node]));
  }

  /** Taints, labels and whatever else people put on a node of the last run stay; its status is told anew. */
  async #register(index: number, known: Map<string, Node>): Promise<void> {
    const { client, clock } = this.#options;
    const nodes = client.resource(NODES);
    const node = fleetNode(index, this.#options, clock.now());
    const before = known.get(node.metadata.name!);
    known.delete(node.metadata.name!);
    if (before)
      return void (await nodes.updateStatus({
        ...before,
        metadata: { ...before.metadata, resourceVersion: undefined },
        status: node.status,
      }));
    try {
      await nodes.create(node);
    } catch (error) {
      if (!StatusError.is(error, 'AlreadyExists')) throw error;
      await nodes.patch(node.metadata.name!, 'merge', { status: node.status }, 'status');
    }
  }

  async #removeBeyond(name: string): Promise<void> {
    const { client, log } = this.#options;
    try {
      await client.resource(NODES).delete(name);
    } catch (error) {
      if (!StatusError.is(error, 'NotFound'))
        log.warn('a simulated node of an earlier run could not be removed', { node: name, error: errorMessage(error) });
    }
  }
}
