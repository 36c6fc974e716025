/**
 * What a scheduling plugin is. For each pod a plugin `begin`s a cycle and returns only the steps that matter for this pod, as closures
 * over what it worked out once: a pod without affinity pays nothing for the affinity plugin. All of it is synchronous and reads the
 * snapshot only; what must be written before the pod is bound is a `Reservation`.
 */
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
  /** Before scores are asked for, with the nodes that they will be asked for; false: there is nothing to score. */
  preScore?(nodes: readonly NodeInfo[]): boolean;
  /** Any number; `normalise` brings the scores of all feasible nodes to 0–100. */
  score?(node: NodeInfo): number;
  normalise?(scores: Float64Array, nodes: readonly NodeInfo[]): void;
  /** The node was chosen: keeps in memory what the pod takes besides the node's resources. undefined: nothing to keep or to write. */
  reserve?(node: NodeInfo): Reservation | undefined;
  /** No node took the pod: may free what stands in its way; what it says of that goes into the event. */
  postFilter?(): Promise<string>;
}

/** What a plugin does between the choice of a node and the binding. */
export interface Reservation {
  /** Resolves when the pod may be bound; rejects to give the node back. */
  preBind(signal: AbortSignal): Promise<void>;
  /** The pod was not bound after all. Called once, also after a `preBind` that failed. */
  release(): void | Promise<void>;
}

export type ClusterResource =
  | 'Node'
  | 'AssignedPod'
  | 'UnscheduledPod'
  | 'Service'
  | 'PersistentVolume'
  | 'PersistentVolumeClaim'
  | 'StorageClass'
  | 'CSINode'
  | 'CSIDriver'
  | 'CSIStorageCapacity'
  | 'VolumeAttachment'
  | 'ResourceClaim'
  | 'ResourceSlice'
  | 'DeviceClass';

/** What happened in the cluster, for the question whether it may have made a pod schedulable. */
export interface ClusterEvent {
  resource: ClusterResource;
  action: 'add' | 'update' | 'delete';
  /** For AssignedPod: the pod; for Node: the node as it is now. */
  pod?: PodInfo;
  node?: NodeInfo;
}

export interface SchedulingPlugin {
  /** Upstream's name: it stands in configuration and in messages. */
  readonly name: string;
  /** What the pod needs is still being made: it waits for an event, without an attempt and without a message (preEnqueue). */
  waitsFor?(pod: PodInfo): boolean;
  begin(pod: PodInfo, snapshot: Snapshot): PluginCycle | undefined;
  /**
   * What the plugin reads of a pod, as JSON can tell it. Signing promises that `begin`, `filter` and `score` read nothing else but the node that they
   * are asked about, and that `preScore` prepares nothing: what they said of a node then holds for all pods with the same signature until the
   * node changes (node-answers.ts).
   */
  sign?(pod: PodInfo): unknown;
  /** Whether the event may make a pod schedulable that this plugin rejected. */
  wakesOn(event: ClusterEvent, pod: PodInfo): boolean;
}

/** kube-scheduler's extension points, as a configuration file names them. */
export const EXTENSION_POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const;
export type ExtensionPoint = (typeof EXTENSION_POINTS)[number];

export interface WeightedPlugin {
  plugin: SchedulingPlugin;
  /** 0: filters only. */
  weight: number;
  /** Where the plugin takes part; everywhere unless given. */
  points?: ReadonlySet<ExtensionPoint>;
}

/** A plugin with its steps for one pod. */
export interface BegunPlugin {
  name: string;
  weight: number;
  cycle: PluginCycle;
  /** Its answers may be remembered (framework.ts). */
  isSigned: boolean;
}

export const MAX_SCORE = 100;

/** Brings scores to 0–100 by their maximum; `reverse` makes the lowest the best (as upstream's DefaultNormalizeScore). */
export function normaliseByMax(scores: Float64Array, reverse: boolean): void {
  let max = 0;
  for (const score of scores) max = Math.max(max, score);
  for (let i = 0; i < scores.length; i++) {
    const score = max === 0 ? 0 : Math.floor((scores[i]! * MAX_SCORE) / max);
    scores[i] = reverse ? MAX_SCORE - score : score;
  }
}
