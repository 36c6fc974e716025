/** Keeps the picture of the cluster and the queue up to date with what informers tell. */
import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../api/meta.ts';
import type { Node, Pod } from '../api/types.gen.ts';
import type { Client } from '../client/client.ts';
import { NODES, PODS, SERVICES } from '../client/resources.ts';
import type { ClusterEvent } from './framework.ts';
import type { Profile } from './profile.ts';
import type { PromisedRoom } from './promises.ts';
import type { SchedulingQueue } from './queue.ts';
import { type ClusterState } from './cluster-state.ts';
import { podRequests } from './resources.ts';
import { podInfo } from './snapshot.ts';
import { isGated, isTerminal } from './workloads.ts';

export interface Watched {
  state: ClusterState;
  queue: SchedulingQueue;
  promises: PromisedRoom;
  /** Pods that were given a node and whose binding the cache does not show yet. */
  assumed: Map<string, string>;
  /** undefined: the pod is another scheduler's. */
  profileOf(pod: Pod): Profile | undefined;
}

/** Subscribes; returns how to stop. The informers have started. */
export function watchCluster(client: Client, watched: Watched): () => void {
  const watch = new Watch(watched);
  const stops = [
    client.informer(NODES).subscribe({
      added: (node) => watch.nodeChanged(node, 'add'),
      updated: (node, previous) => watch.nodeUpdated(node, previous),
      deleted: (node) => watch.nodeGone(node),
    }),
    client.informer(PODS).subscribe({
      added: (pod) => watch.podChanged(pod),
      updated: (pod, previous) => watch.podChanged(pod, previous),
      deleted: (pod) => watch.podGone(pod),
    }),
    client.informer(SERVICES).subscribe({ added: () => watched.queue.wake({ resource: 'Service', action: 'add' }) }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

class Watch {
  readonly #watched: Watched;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  nodeChanged(node: Node, action: ClusterEvent['action']): void {
    const { queue, state } = this.#watched;
    queue.wake({ resource: 'Node', action, node: state.setNode(node) });
  }

  /** Heartbeats change nothing that a plugin reads; they must not wake anybody. */
  nodeUpdated(node: Node, previous: Node): void {
    if (node.metadata.resourceVersion === previous.metadata.resourceVersion) return;
    const matters = (each: Node): string => JSON.stringify([each.spec, each.metadata.labels, each.status?.allocatable]);
    if (matters(node) === matters(previous)) this.#watched.state.setNode(node);
    else this.nodeChanged(node, 'update');
  }

  nodeGone(node: Node): void {
    const { queue, state } = this.#watched;
    const info = state.node(node.metadata.name!);
    state.removeNode(node.metadata.name!);
    // What counted the node (spreading) may look better without it.
    queue.wake({ resource: 'Node', action: 'delete', ...(info ? { node: info } : {}) });
  }

  podChanged(pod: Pod, previous?: Pod): void {
    if (isTerminal(pod)) this.podGone(pod);
    else if (pod.spec!.nodeName) this.#assigned(pod, previous);
    else this.#waiting(pod, previous);
  }

  podGone(pod: Pod): void {
    const { queue, state, promises, assumed } = this.#watched;
    const key = keyOf(pod);
    queue.remove(key);
    assumed.delete(key);
    promises.release(key);
    const removed = state.remove(key);
    if (removed) queue.wake({ resource: 'AssignedPod', action: 'delete', pod: removed });
  }

  #assigned(pod: Pod, previous?: Pod): void {
    const { queue, state, promises, assumed } = this.#watched;
    const key = keyOf(pod);
    const wasAssumed = assumed.delete(key);
    promises.release(key);
    queue.remove(key);
    // What a pod takes hardly changes with its status: the picture is renewed only where it can have.
    const wasAssigned = Boolean(previous?.spec!.nodeName);
    if (wasAssigned && takesTheSame(pod, previous!)) return;
    const known = state.place(podInfo(pod), pod.spec!.nodeName!);
    queue.wake({ resource: 'AssignedPod', action: wasAssigned && !wasAssumed ? 'update' : 'add', pod: known });
  }

  #waiting(pod: Pod, previous?: Pod): void {
    const { queue, assumed, profileOf } = this.#watched;
    const key = keyOf(pod);
    const profile = profileOf(pod);
    if (!profile || assumed.has(key)) return;
    if (pod.metadata.deletionTimestamp || (profile.honoursGates && isGated(pod))) return queue.remove(key);
    queue.update(podInfo(pod), previous !== undefined && mayHelp(pod, previous));
  }
}

function takesTheSame(pod: Pod, previous: Pod): boolean {
  return (
    previous.metadata.generation === pod.metadata.generation &&
    sameLabels(previous, pod) &&
    Boolean(previous.metadata.deletionTimestamp) === Boolean(pod.metadata.deletionTimestamp) &&
    !wasResized(pod, previous)
  );
}

/** A pod that is resized takes less, or no more than it wants, once its node says so. One whose spec never changed is not. */
function wasResized(pod: Pod, previous: Pod): boolean {
  return (pod.metadata.generation ?? 1) > 1 && !isDeepStrictEqual(podRequests(pod), podRequests(previous));
}

/** A change of its spec, of its labels or of the claims that were made for it may be what a pod was waiting for. */
function mayHelp(pod: Pod, previous: Pod): boolean {
  return (
    previous.metadata.generation !== pod.metadata.generation ||
    !sameLabels(previous, pod) ||
    JSON.stringify(previous.status?.resourceClaimStatuses) !== JSON.stringify(pod.status?.resourceClaimStatuses)
  );
}

function sameLabels({ metadata: { labels: a } }: Pod, { metadata: { labels: b } }: Pod): boolean {
  if (a === b) return true;
  const keys = Object.keys(a ?? {});
  return keys.length === Object.keys(b ?? {}).length && keys.every((key) => a![key] === b?.[key]);
}
