/** Who controls an object: the one owner reference with `controller: true` (API conventions, "Controllers and owner references"). */
import type { GroupVersionKind, ObjectWithMeta } from '../../api/meta.ts';
import { groupVersion } from '../../api/meta.ts';
import { labelSelectorOf, labelSelectorOfMap, type LabelSelector } from '../../api/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { LabelSelector as SelectorSpec, OwnerReference } from '../../api/types.gen.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';

const CONTROLLER_INDEX = 'controller-uid';
const ORPHAN_INDEX = 'no-controller';

export function controllerOf({ metadata }: ObjectWithMeta): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller);
}

export function controllerReference(owner: ObjectWithMeta, type: GroupVersionKind): OwnerReference {
  return {
    apiVersion: groupVersion(type),
    kind: type.kind,
    name: owner.metadata.name!,
    uid: owner.metadata.uid!,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Call before the informer starts: `ownedBy` and `claim` look objects up by their controller's uid, never by going through all. */
export function indexByController<T extends ObjectWithMeta>(informer: Informer<T>): void {
  informer.addIndex(CONTROLLER_INDEX, (object) => {
    const controller = controllerOf(object);
    return controller ? [controller.uid] : [];
  });
  informer.addIndex(ORPHAN_INDEX, (object) => (controllerOf(object) ? [] : [object.metadata.namespace ?? '']));
}

export function ownedBy<T extends ObjectWithMeta>(informer: Informer<T>, uid: string): T[] {
  return informer.byIndex(CONTROLLER_INDEX, uid);
}

/** The owner that `reference` means, unless another object has taken its name since. */
export function resolveOwner<T extends ObjectWithMeta>(
  owners: Informer<T>,
  kind: string,
  namespace: string,
  reference: OwnerReference | undefined,
): T | undefined {
  if (reference?.kind !== kind) return undefined;
  const owner = owners.get(`${namespace}/${reference.name}`);
  return owner?.metadata.uid === reference.uid ? owner : undefined;
}

const compiled = new WeakMap<object, LabelSelector>();

/** `labelSelectorOf`, compiled once for each selector object of a cache. */
export function selectorOf(spec: SelectorSpec | undefined): LabelSelector {
  if (!spec) return labelSelectorOf(undefined);
  return remembered(spec, () => labelSelectorOf(spec));
}

/** `labelSelectorOfMap`, compiled once for each map of a cache. */
export function mapSelectorOf(labels: Readonly<Record<string, string>>): LabelSelector {
  return remembered(labels, () => labelSelectorOfMap(labels));
}

function remembered(of: object, compile: () => LabelSelector): LabelSelector {
  let selector = compiled.get(of);
  if (!selector) compiled.set(of, (selector = compile()));
  return selector;
}

export interface Claim<O extends ObjectWithMeta, T extends ObjectWithMeta> {
  client: Client;
  owner: O;
  ownerType: ResourceType<O>;
  selector: LabelSelector;
  type: ResourceType<T>;
  informer: Informer<T>;
  /** Further conditions on what is adopted. */
  adoptable?: (object: T) => boolean;
  /** A finalizer that the owner puts on what it adopts, and takes from what it releases. */
  finalizer?: string;
}

/**
 * The objects that `owner` controls. Objects that match its selector and have no controller are adopted, those of its own that no longer
 * match are released; an owner that is being deleted does neither. Throws when the server refuses.
 */
export async function claim<O extends ObjectWithMeta, T extends ObjectWithMeta>(by: Claim<O, T>): Promise<T[]> {
  const { owner, selector, informer } = by;
  const owned = ownedBy(informer, owner.metadata.uid!);
  if (owner.metadata.deletionTimestamp) return owned.filter((object) => selector.matches(object));
  const kept: T[] = [];
  for (const object of owned) {
    if (selector.matches(object)) kept.push(object);
    else if (!object.metadata.deletionTimestamp) await release(by, object);
  }
  const orphans = informer.byIndex(ORPHAN_INDEX, owner.metadata.namespace!).filter((object) => mayAdopt(by, object));
  if (orphans.length === 0) return kept;
  if (!(await isStillThere(by))) return kept;
  const adopted = await Promise.all(orphans.map((orphan) => adopt(by, orphan)));
  return [...kept, ...adopted.filter((object) => object !== undefined)];
}

function mayAdopt<O extends ObjectWithMeta, T extends ObjectWithMeta>({ selector, adoptable }: Claim<O, T>, object: T): boolean {
  return !object.metadata.deletionTimestamp && selector.matches(object) && (adoptable?.(object) ?? true);
}

/** The cache may not know yet that the owner was deleted; adopting then would hand an orphaned pod to the garbage collector. */
async function isStillThere<O extends ObjectWithMeta, T extends ObjectWithMeta>({
  client,
  owner,
  ownerType,
}: Claim<O, T>): Promise<boolean> {
  const fresh = await unlessGone(client.resource(ownerType, owner.metadata.namespace).get(owner.metadata.name!));
  return fresh?.metadata.uid === owner.metadata.uid && !fresh?.metadata.deletionTimestamp;
}

function adopt<O extends ObjectWithMeta, T extends ObjectWithMeta>(by: Claim<O, T>, { metadata }: T): Promise<T | undefined> {
  const { client, owner, ownerType, type, finalizer } = by;
  const finalizers = finalizer ? { finalizers: [finalizer] } : {};
  const patch = { metadata: { uid: metadata.uid, ownerReferences: [controllerReference(owner, ownerType)], ...finalizers } };
  return unlessGone(client.resource(type, metadata.namespace).patch(metadata.name!, 'strategic', patch));
}

async function release<O extends ObjectWithMeta, T extends ObjectWithMeta>(
  { client, owner, type, finalizer }: Claim<O, T>,
  { metadata }: T,
): Promise<void> {
  const finalizers = finalizer ? { '$deleteFromPrimitiveList/finalizers': [finalizer] } : {};
  const patch = { metadata: { uid: metadata.uid, ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }], ...finalizers } };
  await unlessGone(client.resource(type, metadata.namespace).patch(metadata.name!, 'strategic', patch));
}

/** undefined when the object is gone. A changed uid answers Conflict, which is an error: the cache must catch up first. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (StatusError.is(error, 'NotFound')) return undefined;
    throw error;
  }
}
