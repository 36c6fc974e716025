import { keyOf, type ObjectWithMeta } from '../../api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttributesClass } from '../../api/types.gen.ts';
import type { ResourceType } from '../../client/client.ts';
import type { Informer } from '../../client/informer.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, VOLUME_ATTRIBUTES_CLASSES } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { isTerminal } from '../pods/pod-state.ts';
import { CLAIM_INDEX, claimsOf, indexByClaim } from './pods-of-claims.ts';

interface Protected<T extends ObjectWithMeta> {
  name: string;
  type: ResourceType<T>;
  finalizer: string;
  isInUse(object: T): boolean;
  /** What else, besides the object's own changes, may end or begin its use. */
  watch?(add: (key: string) => void): void;
}

/** A claim that is deleted stays as long as a pod uses it. */
export function createClaimProtection(context: ComponentContext): Component[] {
  const pods = context.client.informer(PODS);
  indexByClaim(pods);
  const note = (add: (key: string) => void) => (pod: Pod) => claimsOf(pod).forEach(add);
  const guarded: Protected<PersistentVolumeClaim> = {
    name: 'pvc-protection-controller',
    type: PERSISTENT_VOLUME_CLAIMS,
    finalizer: 'kubernetes.io/pvc-protection',
    isInUse: (claim) => pods.byIndex(CLAIM_INDEX, keyOf(claim)).some(holdsItsVolumes),
    watch: (add) => void pods.subscribe({ updated: (pod) => isTerminal(pod) && note(add)(pod), deleted: note(add) }),
  };
  return [runReconciler(context, new Protection(context, guarded))];
}

/** A volume that is deleted stays as long as it is bound. */
export function createVolumeProtection(context: ComponentContext): Component[] {
  const guarded: Protected<PersistentVolume> = {
    name: 'pv-protection-controller',
    type: PERSISTENT_VOLUMES,
    finalizer: 'kubernetes.io/pv-protection',
    isInUse: ({ status }) => status?.phase === 'Bound',
  };
  return [runReconciler(context, new Protection(context, guarded))];
}

/** A class of volume attributes that is deleted stays as long as a claim or a volume has it, or is on its way to it (KEP-3751). */
export function createVolumeAttributesClassProtection(context: ComponentContext): Component[] {
  const claims = context.client.informer(PERSISTENT_VOLUME_CLAIMS);
  const volumes = context.client.informer(PERSISTENT_VOLUMES);
  claims.addIndex(ATTRIBUTES_INDEX, attributesOfClaim);
  volumes.addIndex(ATTRIBUTES_INDEX, attributesOfVolume);
  const guarded: Protected<VolumeAttributesClass> = {
    name: 'volumeattributesclass-protection-controller',
    type: VOLUME_ATTRIBUTES_CLASSES,
    finalizer: 'kubernetes.io/vac-protection',
    isInUse: ({ metadata }) => [claims, volumes].some((users) => users.byIndex(ATTRIBUTES_INDEX, metadata.name!).length > 0),
    watch(add) {
      claims.subscribe({
        updated: (_claim, before) => attributesOfClaim(before).forEach(add),
        deleted: (claim) => attributesOfClaim(claim).forEach(add),
      });
      volumes.subscribe({
        updated: (_volume, before) => attributesOfVolume(before).forEach(add),
        deleted: (volume) => attributesOfVolume(volume).forEach(add),
      });
    },
  };
  return [runReconciler(context, new Protection(context, guarded))];
}

const ATTRIBUTES_INDEX = 'volume-attributes-class';

function attributesOfClaim({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[];
}

function attributesOfVolume({ spec }: PersistentVolume): string[] {
  return spec?.volumeAttributesClassName ? [spec.volumeAttributesClassName] : [];
}

class Protection<T extends ObjectWithMeta> implements Reconciler {
  readonly name: string;
  readonly #context: ComponentContext;
  readonly #guarded: Protected<T>;
  readonly #objects: Informer<T>;

  constructor(context: ComponentContext, guarded: Protected<T>) {
    this.name = guarded.name;
    this.#context = context;
    this.#guarded = guarded;
    this.#objects = context.client.informer(guarded.type);
  }

  setup(queue: { add(key: string): void }): void {
    const note = (object: T): void => {
      // Nothing to do for what stays and has its finalizer: that is nearly all.
      if (object.metadata.deletionTimestamp !== undefined || !this.#hasFinalizer(object)) queue.add(keyOf(object));
    };
    this.#objects.subscribe({ added: note, updated: note });
    this.#guarded.watch?.((key) => queue.add(key));
  }

  async reconcile(key: string): Promise<void> {
    const object = this.#objects.get(key);
    if (!object) return;
    const isLeaving = object.metadata.deletionTimestamp !== undefined;
    const finalizers = object.metadata.finalizers ?? [];
    if (isLeaving && this.#hasFinalizer(object) && !this.#guarded.isInUse(object)) {
      await this.#write(
        object,
        finalizers.filter((each) => each !== this.#guarded.finalizer),
      );
    } else if (!isLeaving && !this.#hasFinalizer(object)) {
      await this.#write(object, [...finalizers, this.#guarded.finalizer]);
    }
  }

  #hasFinalizer({ metadata }: T): boolean {
    return metadata.finalizers?.includes(this.#guarded.finalizer) ?? false;
  }

  async #write(object: T, finalizers: string[]): Promise<void> {
    const { client } = this.#context;
    await unlessGone(
      client.resource(this.#guarded.type, object.metadata.namespace).update({ ...object, metadata: { ...object.metadata, finalizers } }),
    );
  }
}

/** A pod that has no node yet has mounted nothing, one that ended has let go. */
function holdsItsVolumes(pod: Pod): boolean {
  return pod.spec?.nodeName !== undefined && !isTerminal(pod);
}
