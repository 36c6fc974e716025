import type { Namespace } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler, ReconcileResult } from '../../client/reconcile.ts';
import { NAMESPACES, PODS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { mergeConditions } from './conditions.ts';
import { deleteContent } from './delete-content.ts';
import type { ContentReport } from './delete-content.ts';

const FINALIZER = 'kubernetes';
/** How often a namespace whose content lingers is looked at: soon while it is young, since most finalizers take milliseconds. */
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

/** A namespace with a deletionTimestamp loses all its content, of every kind that discovery names, and then its finalizer `kubernetes`. */
export function createNamespaceController(context: ComponentContext): Component[] {
  return [runReconciler(context, new NamespaceReconciler(context))];
}

class NamespaceReconciler implements Reconciler {
  readonly name = 'namespace-controller';
  readonly concurrency = 10;
  readonly #context: ComponentContext;
  readonly #namespaces;
  readonly #pods;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#namespaces = context.client.informer(NAMESPACES);
    this.#pods = context.client.informer(PODS);
  }

  setup(queue: { add(key: string): void }): void {
    const look = ({ metadata }: Namespace): void => {
      if (metadata.deletionTimestamp) queue.add(metadata.name!);
    };
    this.#namespaces.subscribe({ added: look, updated: look });
    // Pods linger for their grace period; the end of the last one is what a namespace mostly waits for.
    this.#pods.subscribe({
      deleted: ({ metadata }) => this.#namespaces.get(metadata.namespace!)?.metadata.deletionTimestamp && queue.add(metadata.namespace!),
    });
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const cached = this.#namespaces.get(name);
    if (!cached?.metadata.deletionTimestamp || !cached.spec?.finalizers?.includes(FINALIZER)) return;
    const terminating = await this.#markTerminating(cached);
    const report = await deleteContent(this.#context.client, name);
    const { metadata } = terminating;
    if (!report.done || (metadata.finalizers ?? []).length > 0) await this.#showConditions(terminating, report);
    if (report.done) return this.#finalize(name);
    if (report.failure) throw report.failure;
    const age = this.#context.clock.now() - Date.parse(metadata.deletionTimestamp!);
    return { afterMs: Math.min(Math.max(age / 4, MIN_RETRY_MS), MAX_RETRY_MS) };
  }

  async #markTerminating(namespace: Namespace): Promise<Namespace> {
    if (namespace.status?.phase === 'Terminating') return namespace;
    return this.#context.client.resource(NAMESPACES).updateStatus({ ...namespace, status: { ...namespace.status, phase: 'Terminating' } });
  }

  async #showConditions(namespace: Namespace, report: ContentReport): Promise<void> {
    const conditions = mergeConditions(namespace.status?.conditions ?? [], report, this.#context.clock.now());
    if (!conditions) return;
    await this.#context.client.resource(NAMESPACES).updateStatus({ ...namespace, status: { ...namespace.status, conditions } });
  }

  async #finalize(name: string): Promise<void> {
    const namespaces = this.#context.client.resource(NAMESPACES);
    const latest = await namespaces.get(name);
    const finalizers = (latest.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER);
    await namespaces.subresource(name, 'finalize', 'PUT', { ...latest, spec: { ...latest.spec, finalizers } });
  }
}
