import type { ClusterState } from './cluster-state.ts';
import type { PodInfo } from './snapshot.ts';

interface Promised {
  room: PodInfo;
  nodeName: string;
  priority: number;
}

/** Room kept for pods that others were removed for: it is taken on the node under a name of its own until the pod is there or gone. */
export class PromisedRoom {
  readonly #state: ClusterState;
  /** By the pod's key. */
  readonly #promised = new Map<string, Promised>();

  constructor(state: ClusterState) {
    this.#state = state;
  }

  keep(info: PodInfo, nodeName: string): void {
    this.release(info.key);
    // The room is CPU, memory and ports; what belongs to the pod itself it does not hold twice.
    const room: PodInfo = { ...info, key: `promised:${info.key}`, claims: [] };
    this.#promised.set(info.key, { room, nodeName, priority: info.priority });
    this.#state.place(room, nodeName);
  }

  release(key: string): void {
    const promised = this.#promised.get(key);
    if (!promised) return;
    this.#promised.delete(key);
    this.#state.remove(promised.room.key);
  }

  /** Does `work` without what stands in the pod's way: its own promise, and those to less important pods, which do not bind it. */
  without<T>(info: PodInfo, work: () => T): T {
    if (this.#promised.size === 0) return work();
    const lifted = [...this.#promised].filter(([key, { priority }]) => key === info.key || priority < info.priority);
    for (const [, { room }] of lifted) this.#state.remove(room.key);
    try {
      return work();
    } finally {
      for (const [, { room, nodeName }] of lifted) this.#state.place(room, nodeName);
    }
  }
}
