import type { ObjectWithMeta } from '../../api/meta.ts';
import type { Pod } from '../../api/types.gen.ts';
import type { InformerHandler } from '../../client/informer.ts';
import type { Expectations } from './expectations.ts';
import { controllerOf } from './ownership.ts';

export interface PodWatcherOptions<O extends ObjectWithMeta> {
  expectations: Expectations;
  /** The owner that controls the pod, if it is of the watched kind and still the same. */
  ownerOf(pod: Pod): O | undefined;
  /** Owners whose selector matches a pod without a controller. */
  wouldAdopt(pod: Pod): O[];
  /** Something about a pod of this owner changed. */
  changed(owner: O, pod: Pod): void;
}

/** Turns changes of pods into work for their owners, and settles what those expect. */
export class PodWatcher<O extends ObjectWithMeta> implements InformerHandler<Pod> {
  readonly #options: PodWatcherOptions<O>;

  constructor(options: PodWatcherOptions<O>) {
    this.#options = options;
  }

  added(pod: Pod): void {
    const { ownerOf, expectations, changed } = this.#options;
    const owner = ownerOf(pod);
    if (owner) {
      expectations.creationObserved(owner.metadata.uid!);
      if (pod.metadata.deletionTimestamp) expectations.deletionObserved(owner.metadata.uid!, pod.metadata.uid!);
      changed(owner, pod);
    } else if (!controllerOf(pod)) {
      this.#offer(pod);
    }
  }

  updated(pod: Pod, previous: Pod): void {
    const { ownerOf, expectations, changed } = this.#options;
    const owner = ownerOf(pod);
    if (controllerOf(previous)?.uid !== controllerOf(pod)?.uid) {
      const before = ownerOf(previous);
      if (before) changed(before, pod);
    }
    if (owner) {
      if (pod.metadata.deletionTimestamp) expectations.deletionObserved(owner.metadata.uid!, pod.metadata.uid!);
      changed(owner, pod);
    } else if (!controllerOf(pod) && (controllerOf(previous) || previous.metadata.labels !== pod.metadata.labels)) {
      this.#offer(pod);
    }
  }

  deleted(pod: Pod): void {
    const { ownerOf, expectations, changed } = this.#options;
    const owner = ownerOf(pod);
    if (!owner) return;
    expectations.deletionObserved(owner.metadata.uid!, pod.metadata.uid!);
    changed(owner, pod);
  }

  #offer(pod: Pod): void {
    if (pod.metadata.deletionTimestamp) return;
    for (const owner of this.#options.wouldAdopt(pod)) this.#options.changed(owner, pod);
  }
}
