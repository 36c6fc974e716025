/** What the runtime holds for one pod, as the planner and the status read it. */
import type { ContainerStatus, PodSandbox } from '../runtime/runtime.ts';

export interface PodRuntime {
  /** Newest first. The first one has its addresses filled when it is ready. */
  sandboxes: readonly PodSandbox[];
  /** Newest first, with their full status. */
  containers: readonly ContainerStatus[];
}

export const EMPTY_RUNTIME: PodRuntime = { sandboxes: [], containers: [] };

/** Newest first; by attempt where the clock says nothing. */
export function newestFirst<T extends { createdAt: number; attempt: number }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt);
}

/** The newest container of this name. */
export function currentContainer(runtime: PodRuntime, name: string): ContainerStatus | undefined {
  return runtime.containers.find((container) => container.name === name);
}

/** The one before the newest: what lastState tells. */
export function previousContainer(runtime: PodRuntime, name: string): ContainerStatus | undefined {
  return runtime.containers.filter((container) => container.name === name)[1];
}

export function readySandbox(runtime: PodRuntime): PodSandbox | undefined {
  return runtime.sandboxes[0]?.state === 'READY' ? runtime.sandboxes[0] : undefined;
}
