import type { LabelSelector } from '../../api/selectors.ts';
import type { ObjectMeta, PodTemplateSpec, ReplicaSet, ReplicationController } from '../../api/types.gen.ts';
import type { ResourceType } from '../../client/client.ts';
import { REPLICA_SETS, REPLICATION_CONTROLLERS } from '../../client/resources.ts';
import { mapSelectorOf, selectorOf } from '../pods/ownership.ts';

/** What ReplicaSets and ReplicationControllers have in common, and all that keeping a number of pods needs to know. */
export interface ReplicaOwner {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  spec?: { replicas?: number; minReadySeconds?: number; template?: PodTemplateSpec };
  status?: ReplicaStatus;
}

export interface ReplicaStatus {
  replicas: number;
  fullyLabeledReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  terminatingReplicas?: number;
  observedGeneration?: number;
  conditions?: ReplicaCondition[];
}

export interface ReplicaCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

export interface ReplicaKind<T extends ReplicaOwner> {
  type: ResourceType<T>;
  /** The name of its loop. */
  controller: string;
  selectorOf(owner: T): LabelSelector;
  /** ReplicationControllers have no field for it. */
  countsTerminating: boolean;
}

export const REPLICA_SET: ReplicaKind<ReplicaSet> = {
  type: REPLICA_SETS,
  controller: 'replicaset-controller',
  selectorOf: ({ spec }) => selectorOf(spec?.selector),
  countsTerminating: true,
};

export const REPLICATION_CONTROLLER: ReplicaKind<ReplicationController> = {
  type: REPLICATION_CONTROLLERS,
  controller: 'replication-controller',
  selectorOf: ({ spec }) => mapSelectorOf(spec?.selector ?? {}),
  countsTerminating: false,
};
