/**
 * What the server decides about an object, whatever the client sent: status and spec have different writers, the generation
 * counts changes of the desired state, system metadata is the server's (API conventions, "Spec and Status", "Metadata").
 */
import type { Rng } from '../../lib/random.ts';
import type { KubeObject } from '../meta.ts';
import { cloneJson, semanticEqual } from '../patch/json.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { timestamp } from '../time.ts';
import { CREATE_RULES, STATUS_RULES, UPDATE_RULES } from './kinds.ts';
import { zeroOf } from './zero.ts';

/**
 * Readies a decoded and defaulted object for its first write, in place; returns it. Sets creationTimestamp, generation and, unless the server
 * gave it one before, uid; drops a status that only its subresource may write, and applies the kind's own rules. `now` is in milliseconds since the epoch.
 */
export function prepareForCreate(info: ResourceInfo, object: KubeObject, now: number, rng: Rng): KubeObject {
  const { metadata } = object;
  metadata.uid ||= rng.uuid();
  metadata.creationTimestamp = timestamp(now);
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  if (countsGenerations(info)) metadata.generation = 1;
  else delete metadata.generation;
  if (hasStatus(info) && !KEEPS_STATUS.has(info.kind)) resetStatus(info, object);
  CREATE_RULES[`${info.group}/${info.kind}`]?.(object as never, now);
  return object;
}

/**
 * Readies a full update: returns a new object with the old one's status and system metadata, and the next generation when the desired
 * state changed. Shares parts with both arguments; change neither the result's depths nor them.
 */
export function prepareForUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject): KubeObject {
  const next: KubeObject = { ...object, metadata: keepSystemMetadata(object, old) };
  if (hasStatus(info)) setOrDelete(next, 'status', old['status']);
  UPDATE_RULES[`${info.group}/${info.kind}`]?.(next as never, old as never);
  if (old.metadata.generation === undefined && !countsGenerations(info)) delete next.metadata.generation;
  else next.metadata.generation = (old.metadata.generation ?? 0) + (desiredStateChanged(info, next, old) ? 1 : 0);
  return next;
}

/**
 * Readies a write to the status subresource: returns the old object with the new status. Annotations, finalizers and (for nodes) labels may
 * travel with it; of custom resources nothing but the status does. `now` is in milliseconds since the epoch.
 */
export function prepareStatusUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject, now: number): KubeObject {
  const metadata = isBuiltIn(info) ? keepSystemMetadata(object, old) : { ...old.metadata };
  if (object.metadata.resourceVersion !== undefined) metadata.resourceVersion = object.metadata.resourceVersion;
  if (object.metadata.managedFields !== undefined) metadata.managedFields = object.metadata.managedFields;
  if (old.metadata.generation !== undefined) metadata.generation = old.metadata.generation;
  // Old kubelets were known to corrupt owner references through this door; selectors rely on a Deployment's labels.
  if (info.kind === 'Pod') setOrDelete(metadata, 'ownerReferences', old.metadata.ownerReferences);
  if (info.kind === 'Deployment') setOrDelete(metadata, 'labels', old.metadata.labels);
  const next: KubeObject = { ...old, metadata };
  setOrDelete(next, 'status', object['status']);
  STATUS_RULES[`${info.group}/${info.kind}`]?.(next as never, old as never, now);
  return next;
}

const hasStatus = (info: ResourceInfo): boolean => info.subresources.some(({ name }) => name === 'status');

/** Their status comes with the first write: kubelets register nodes complete. */
const KEEPS_STATUS = new Set(['Node']);

function resetStatus(info: ResourceInfo, object: KubeObject): void {
  const field = info.schema.fields?.['status'];
  if (field?.keepZero) object['status'] = cloneJson(zeroOf(field.schema));
  else delete object['status'];
}

/** Built-in kinds whose strategy upstream counts generations; every custom resource does. */
const COUNTED = new Set([
  'Pod',
  'PodTemplate',
  'ReplicationController',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'Ingress',
  'IngressClass',
  'NetworkPolicy',
  'EndpointSlice',
  'PodDisruptionBudget',
  'PriorityClass',
  'FlowSchema',
  'PriorityLevelConfiguration',
  'CustomResourceDefinition',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'ResourceSlice',
]);

function countsGenerations(info: ResourceInfo): boolean {
  return COUNTED.has(info.kind) || !isBuiltIn(info);
}

const isBuiltIn = (info: ResourceInfo): boolean => info.schema.name !== undefined && info.schema.name.startsWith('io.k8s.');

function desiredStateChanged(info: ResourceInfo, object: KubeObject, old: KubeObject): boolean {
  if (!countsGenerations(info)) return false;
  // Rollback tools keep their notes in annotations, and the deployment controller must copy them: upstream counts these too.
  if (info.kind === 'Deployment' && !semanticEqual(object.metadata.annotations, old.metadata.annotations)) return true;
  if (info.kind === 'EndpointSlice' && !semanticEqual(object.metadata.labels, old.metadata.labels)) return true;
  const keys = new Set([...Object.keys(object), ...Object.keys(old)]);
  for (const key of NOT_DESIRED_STATE) keys.delete(key);
  // Without a status of its own a custom resource's `status` is data like any other.
  if (info.custom && !hasStatus(info) && !semanticEqual(object['status'], old['status'])) return true;
  return [...keys].some((key) => !semanticEqual(object[key], old[key]));
}

const NOT_DESIRED_STATE = ['metadata', 'status', 'apiVersion', 'kind'];

/** What a client may leave out of an update, and what it may not take away (ValidateObjectMetaAccessorUpdate). */
function keepSystemMetadata({ metadata }: KubeObject, old: KubeObject): KubeObject['metadata'] {
  const kept = { ...metadata };
  kept.uid ||= old.metadata.uid;
  kept.creationTimestamp ||= old.metadata.creationTimestamp;
  kept.generation = old.metadata.generation;
  delete kept.selfLink;
  if (old.metadata.deletionTimestamp !== undefined) {
    kept.deletionTimestamp = old.metadata.deletionTimestamp;
    kept.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  }
  for (const key of ['uid', 'creationTimestamp', 'generation', 'deletionGracePeriodSeconds'] as const)
    if (kept[key] === undefined) delete kept[key];
  return kept;
}

function setOrDelete<T extends object>(target: T, key: keyof T, value: T[keyof T] | undefined): void {
  if (value === undefined) delete target[key];
  else target[key] = value;
}
