/**
 * What a scheduling plugin is. For each pod a plugin `begin`s a cycle and returns only the steps that matter for this pod, as closures
 * over what it worked out once: a pod without affinity pays nothing for the affinity plugin. All of it is synchronous and reads the
 * snapshot only.
 */
import type { Pod } from '../api/types.gen.ts';
import type { NodeInfo, PodInfo, Snapshot } from './snapshot.ts';

export type RejectCode =
  /** Another pod's going might help: preemption may be tried. */
  | 'Unschedulable'
  /** No preemption on this node can help. */
  | 'UnschedulableAndUnresolvable';

export interface Rejection {
  code: RejectCode;
  reasons: readonly string[];
}

export interface PluginCycle {
  /** No node can take the pod; the text goes into the event in place of the nodes' reasons. */
  reject?: Rejection;
  /** Only these nodes need be looked at. */
  only?: ReadonlySet<string>;
  /** undefined: the node is fine. */
  filter?(node: NodeInfo): Rejection | undefined;
  /** Any number; `normalise` brings the scores of all feasible nodes to 0–100. */
  score?(node: NodeInfo): number;
  normalise?(scores: number[], nodes: readonly NodeInfo[]): void;
}

/** What happened in the cluster, for the question whether it may have made a pod schedulable. */
export interface ClusterEvent {
  resource: 'Node' | 'AssignedPod' | 'PersistentVolume' | 'PersistentVolumeClaim' | 'StorageClass' | 'Service' | 'UnscheduledPod';
  action: 'add' | 'update' | 'delete';
  /** For AssignedPod: the pod; for Node: the node as it is now. */
  pod?: PodInfo;
  node?: NodeInfo;
}

export interface SchedulingPlugin {
  /** Upstream's name: it stands in configuration and in messages. */
  readonly name: string;
  begin(pod: PodInfo, snapshot: Snapshot): PluginCycle | undefined;
  /** Whether the event may make a pod schedulable that this plugin rejected. */
  wakesOn(event: ClusterEvent, pod: PodInfo): boolean;
}

/** Plugins that must do something between the choice of a node and the binding (claims of volumes). */
export interface BindingPlugin extends SchedulingPlugin {
  /** Resolves when the pod may be bound; rejects to give the node back. */
  preBind(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;
}

export interface WeightedPlugin {
  plugin: SchedulingPlugin;
  /** 0: filters only. */
  weight: number;
}

export const MAX_SCORE = 100;

/** Brings scores to 0–100 by their maximum; `reverse` makes the lowest the best (as upstream's DefaultNormalizeScore). */
export function normaliseByMax(scores: number[], reverse: boolean): void {
  const max = scores.reduce((most, score) => Math.max(most, score), 0);
  for (let i = 0; i < scores.length; i++) {
    const score = max === 0 ? 0 : Math.floor((scores[i]! * MAX_SCORE) / max);
    scores[i] = reverse ? MAX_SCORE - score : score;
  }
}
