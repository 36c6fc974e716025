import type { ComponentContext } from '../../client/reconcile.ts';
import type { Component } from '../../lib/component.ts';
import { createReplicaController } from '../replicaset/replica-controller.ts';
import { REPLICATION_CONTROLLER } from '../replicaset/replica-kind.ts';

/** Each ReplicationController has as many pods as it asks for: a ReplicaSet's older name. */
export function createReplicationController(context: ComponentContext): Component[] {
  return [createReplicaController(context, REPLICATION_CONTROLLER)];
}
