/** Creating and deleting the pods of a controller, with the events that upstream's RealPodControl records. */
import type { ObjectWithMeta } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { ObjectMeta, OwnerReference, Pod, PodTemplateSpec } from '../../api/types.gen.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { PODS } from '../../client/resources.ts';

/** More than that many pods are not created or deleted in one reconcile (controller.BurstReplicas). */
export const BURST_REPLICAS = 500;

/** A pod as the template describes it, owned by `owner`, its name made by the server from `prefix` and a dash. */
export function podFromTemplate(template: PodTemplateSpec, owner: OwnerReference, prefix: string): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const metadata: ObjectMeta = { generateName: `${prefix}-`, ownerReferences: [owner] };
  if (labels) metadata.labels = labels;
  if (annotations) metadata.annotations = annotations;
  if (finalizers) metadata.finalizers = finalizers;
  return { metadata, ...(template.spec ? { spec: template.spec } : {}) };
}

/** Creates the pod and says so in an event about `owner`. Throws what the server refuses with, except that its namespace is going away. */
export async function createPod(context: ComponentContext, owner: ObjectWithMeta, pod: Pod): Promise<Pod | undefined> {
  const { client, events } = context;
  try {
    const created = await client.resource(PODS, owner.metadata.namespace).create(pod);
    events.event(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${created.metadata.name}`);
    return created;
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined;
    events.event(owner, 'Warning', 'FailedCreate', `Error creating: ${messageOf(error)}`);
    throw error;
  }
}

/** Deletes the pod; one that is gone already is deleted. */
export async function deletePod(context: ComponentContext, owner: ObjectWithMeta, { metadata }: Pod): Promise<void> {
  const { client, events } = context;
  try {
    await client.resource(PODS, metadata.namespace).delete(metadata.name!, { preconditions: { uid: metadata.uid! } });
    events.event(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${metadata.name}`);
  } catch (error) {
    // Gone, or another pod has its name by now.
    if (StatusError.is(error, 'NotFound') || StatusError.is(error, 'Conflict')) return;
    events.event(owner, 'Warning', 'FailedDelete', `Error deleting: ${messageOf(error)}`);
    throw error;
  }
}

/** Nothing can be made there any more, and that is no failure of whoever tried. */
export function isNamespaceTerminating(error: unknown): boolean {
  return StatusError.is(error, 'Forbidden') && (error.status.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
}

/**
 * Calls `create` `count` times, side by side in batches of 1, 2, 4 … : where every pod would be refused (a quota, a webhook), one request
 * says so instead of hundreds. Stops after a batch with a failure. Returns how many succeeded, and the first error.
 */
export async function slowStart(count: number, create: (index: number) => Promise<unknown>): Promise<{ done: number; error?: unknown }> {
  let done = 0;
  for (let begun = 0, size = 1; begun < count; begun += size, size *= 2) {
    size = Math.min(size, count - begun);
    const first = begun;
    const outcomes = await Promise.allSettled(Array.from({ length: size }, (_, i) => create(first + i)));
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    done += size - failed.length;
    if (failed.length > 0) return { done, error: failed[0]!.reason };
  }
  return { done };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
