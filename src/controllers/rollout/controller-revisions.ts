import type { ObjectWithMeta } from '../../api/meta.ts';
import { deepEqual } from '../../api/patch/json.ts';
import { StatusError } from '../../api/status.ts';
import type { ControllerRevision, PodTemplateSpec } from '../../api/types.gen.ts';
import type { ResourceType } from '../../client/client.ts';
import type { ComponentContext } from '../../client/reconcile.ts';
import { CONTROLLER_REVISIONS } from '../../client/resources.ts';
import { controllerOf, controllerReference, unlessGone } from '../pods/ownership.ts';
import { stableHash } from './template-hash.ts';

export const REVISION_HASH = 'controller-revision-hash';

export interface History<T extends ObjectWithMeta> {
  owner: T;
  ownerType: ResourceType<T>;
  template: PodTemplateSpec;
  /** All that belong to the owner. */
  revisions: readonly ControllerRevision[];
  collisionCount: number | undefined;
}

/** The name was taken by a revision of something else: the owner's `status.collisionCount` must be counted up. */
export class RevisionCollision extends Error {
  override name = 'RevisionCollision';
}

/**
 * The revision of the present template: the newest if it is the same, an older one with a new number if the template was rolled back, or
 * a new one. What `kubectl rollout history` and `undo` read.
 */
export async function ensureRevision<T extends ObjectWithMeta>(
  { client }: ComponentContext,
  history: History<T>,
): Promise<ControllerRevision> {
  const { owner, revisions } = history;
  const resource = client.resource(CONTROLLER_REVISIONS, owner.metadata.namespace);
  const sorted = revisions.toSorted((a, b) => a.revision - b.revision);
  const latest = sorted.at(-1);
  const wanted = newRevision(history, (latest?.revision ?? 0) + 1);
  if (latest && deepEqual(latest.data, wanted.data)) return latest;
  const earlier = sorted.findLast(({ data }) => deepEqual(data, wanted.data));
  if (earlier) return resource.update({ ...earlier, revision: wanted.revision });
  try {
    return await resource.create(wanted);
  } catch (error) {
    if (!StatusError.is(error, 'AlreadyExists')) throw error;
    const existing = await resource.get(wanted.metadata.name!);
    if (controllerOf(existing)?.uid === owner.metadata.uid && deepEqual(existing.data, wanted.data)) return existing;
    throw new RevisionCollision(`the name ${wanted.metadata.name} is taken by a revision of something else`);
  }
}

/** Deletes the oldest revisions beyond `limit` of those that are not in use. */
export async function trimRevisions(
  { client }: ComponentContext,
  revisions: readonly ControllerRevision[],
  inUse: ReadonlySet<string>,
  limit: number,
): Promise<void> {
  const idle = revisions.filter(({ metadata }) => !inUse.has(metadata.name!)).toSorted((a, b) => a.revision - b.revision);
  const surplus = idle.slice(0, Math.max(0, idle.length - limit));
  await Promise.all(
    surplus.map(({ metadata }) => unlessGone(client.resource(CONTROLLER_REVISIONS, metadata.namespace).delete(metadata.name!))),
  );
}

/** The template that a revision holds. */
export function templateOf({ data }: ControllerRevision): PodTemplateSpec {
  const { $patch: _patch, ...template } = (data as { spec: { template: PodTemplateSpec & { $patch?: string } } }).spec.template;
  return template;
}

/** The data is a strategic merge patch that puts the template in place. */
function newRevision<T extends ObjectWithMeta>(
  { owner, ownerType, template, collisionCount }: History<T>,
  revision: number,
): ControllerRevision {
  const { name, namespace } = owner.metadata;
  const hash = stableHash(template, collisionCount);
  const labels = { ...template.metadata?.labels, [REVISION_HASH]: hash };
  return {
    metadata: { name: `${name}-${hash}`, namespace: namespace!, labels, ownerReferences: [controllerReference(owner, ownerType)] },
    data: { spec: { template: { $patch: 'replace', ...template } } },
    revision,
  };
}
