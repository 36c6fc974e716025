import { BlockList, isIPv6 } from 'node:net';
import type { IPAddress, ServiceCIDR } from '../../api/types.gen.ts';
import { timestamp } from '../../api/time.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { IP_ADDRESSES, SERVICE_CIDRS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';

const FINALIZER = 'networking.k8s.io/service-cidr-finalizer';
/** The range that the server was started with. */
const DEFAULT = 'kubernetes';
/** So long a deleted range stays, so that every API server has stopped to take addresses from it. */
const GRACE_MS = 10_000;
const STILL_USED = 'There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR';

/** ServiceCIDRs become Ready, which lets Services have their addresses, and stay until no address needs them (KEP-1880). */
export function createServiceCidrController(context: ComponentContext): Component[] {
  return [runReconciler(context, new ServiceCidrs(context))];
}

class ServiceCidrs implements Reconciler {
  readonly name = 'service-cidr-controller';
  readonly #context: ComponentContext;
  readonly #cidrs: Informer<ServiceCIDR>;
  readonly #addresses: Informer<IPAddress>;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#cidrs = context.client.informer(SERVICE_CIDRS);
    this.#addresses = context.client.informer(IP_ADDRESSES);
  }

  setup(queue: { add(key: string): void }): void {
    // A range that goes, or comes, can free another one that waits.
    const waiting = (): void => {
      for (const { metadata } of this.#cidrs.list()) if (metadata.deletionTimestamp) queue.add(metadata.name!);
    };
    const note = ({ metadata }: ServiceCIDR): void => (queue.add(metadata.name!), waiting());
    this.#cidrs.subscribe({ added: note, updated: note, deleted: waiting });
    this.#addresses.subscribe({ deleted: waiting });
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const cidr = this.#cidrs.get(name);
    if (!cidr) return undefined;
    if (cidr.metadata.deletionTimestamp) return this.#release(cidr);
    const held = await this.#hold(cidr);
    const message = name === DEFAULT ? 'Kubernetes default Service CIDR is ready' : 'Kubernetes Service CIDR is ready';
    if (held && conditionOf(held)?.status !== 'True') await this.#write(held, { status: 'True', reason: '', message });
    return undefined;
  }

  async #hold(cidr: ServiceCIDR): Promise<ServiceCIDR | undefined> {
    const { name, finalizers = [], resourceVersion } = cidr.metadata;
    if (finalizers.includes(FINALIZER)) return cidr;
    const metadata = { resourceVersion, finalizers: [...finalizers, FINALIZER] };
    return unlessGone(this.#context.client.resource(SERVICE_CIDRS).patch(name!, 'merge', { metadata }));
  }

  async #release(cidr: ServiceCIDR): Promise<ReconcileResult> {
    const { name, finalizers = [], deletionTimestamp, resourceVersion } = cidr.metadata;
    if (!finalizers.includes(FINALIZER)) return undefined;
    if (this.#isUsed(cidr)) {
      if (conditionOf(cidr)?.reason !== 'Terminating')
        await this.#write(cidr, { status: 'False', reason: 'Terminating', message: STILL_USED });
      return undefined;
    }
    const leftMs = Date.parse(deletionTimestamp!) + GRACE_MS - this.#context.clock.now();
    if (leftMs > 0) return { afterMs: leftMs };
    const metadata = { resourceVersion, finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER) };
    await unlessGone(this.#context.client.resource(SERVICE_CIDRS).patch(name!, 'merge', { metadata }));
    return undefined;
  }

  /** Whether an address lies in one of its ranges and in no other that stays. */
  #isUsed({ metadata, spec }: ServiceCIDR): boolean {
    const own = rangesOf(spec?.cidrs ?? []);
    const others = rangesOf(
      this.#cidrs
        .list()
        .filter((other) => other.metadata.name !== metadata.name && !other.metadata.deletionTimestamp)
        .flatMap((other) => other.spec?.cidrs ?? []),
    );
    return this.#addresses.list().some(({ metadata: { name } }) => contains(own, name!) && !contains(others, name!));
  }

  async #write(cidr: ServiceCIDR, { status, reason, message }: { status: string; reason: string; message: string }): Promise<void> {
    const others = cidr.status?.conditions?.filter(({ type }) => type !== 'Ready') ?? [];
    const lastTransitionTime = timestamp(this.#context.clock.now());
    const conditions = [...others, { type: 'Ready', status, reason, message, lastTransitionTime }];
    await unlessGone(this.#context.client.resource(SERVICE_CIDRS).updateStatus({ ...cidr, status: { ...cidr.status, conditions } }));
  }
}

function conditionOf({ status }: ServiceCIDR): { status: string; reason: string } | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

function rangesOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [base = '', bits = ''] = cidr.split('/');
    list.addSubnet(base, Number(bits), familyOf(base));
  }
  return list;
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');
const contains = (ranges: BlockList, address: string): boolean => ranges.check(address, familyOf(address));
