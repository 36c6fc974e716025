/** Defaults of the kinds that make pods. */
import type { CronJob, DaemonSet, Deployment, Job, ReplicaSet, ReplicationController, StatefulSet } from '../types.gen.ts';
import { defaultTemplate } from './pod.ts';
import { defaultPersistentVolumeClaim } from './storage.ts';

const REVISIONS_KEPT = 10;

export function defaultDeployment({ spec }: Deployment): void {
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= REVISIONS_KEPT;
  spec.progressDeadlineSeconds ??= 600;
}

export function defaultReplicaSet({ spec }: ReplicaSet): void {
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  spec.replicas ??= 1;
}

export function defaultReplicationController(controller: ReplicationController): void {
  const { spec, metadata } = controller;
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  const labels = spec.template?.metadata?.labels;
  if (labels && Object.keys(labels).length > 0) {
    if (isEmpty(spec.selector)) spec.selector = { ...labels };
    if (isEmpty(metadata.labels)) metadata.labels = { ...labels };
  }
  spec.replicas ??= 1;
}

export function defaultStatefulSet({ spec }: StatefulSet): void {
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= REVISIONS_KEPT;
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion ||= 'v1';
    claim.kind ||= 'PersistentVolumeClaim';
    defaultPersistentVolumeClaim(claim);
  }
}

export function defaultDaemonSet({ spec }: DaemonSet): void {
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= REVISIONS_KEPT;
}

export function defaultJob({ spec, metadata }: Job): void {
  if (!spec) return;
  if (spec.template) defaultTemplate(spec.template);
  // A work queue gives parallelism alone; a plain Job gives neither and runs one pod.
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ||= 'True';
  }
  const labels = spec.template?.metadata?.labels;
  if (labels && isEmpty(metadata.labels)) metadata.labels = { ...labels };
}

export function defaultCronJob({ spec }: CronJob): void {
  if (!spec) return;
  if (spec.jobTemplate?.spec?.template) defaultTemplate(spec.jobTemplate.spec.template);
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
}

function isEmpty(map: Readonly<Record<string, string>> | undefined): boolean {
  return map === undefined || Object.keys(map).length === 0;
}
