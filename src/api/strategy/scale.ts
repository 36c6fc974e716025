/** The scale subresource: one small shape for everything that has replicas. */
import type { KubeObject } from '../meta.ts';
import { formatLabelSelector, labelSelectorOfMap } from '../selectors.ts';
import { isRecord } from '../patch/json.ts';
import type { CustomRules, ResourceInfo } from '../schema/schema.ts';
import { statusError } from '../status.ts';
import type { ObjectMeta } from '../types.gen.ts';

/** autoscaling/v1 Scale. */
export interface Scale extends KubeObject {
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

/** The scale of a workload, with the identity and the resourceVersion of the workload itself. */
export function scaleOf(info: ResourceInfo, object: KubeObject): Scale {
  if (info.custom?.scale) return customScaleOf(info.custom.scale, object);
  const spec = object['spec'] as { replicas?: number; selector?: unknown } | undefined;
  const status = object['status'] as { replicas?: number } | undefined;
  const selector = selectorText(info, spec?.selector);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: identityOf(object.metadata),
    // Go omits a zero under omitempty: scaled to nothing, `spec` is empty.
    spec: spec?.replicas ? { replicas: spec.replicas } : {},
    status: { replicas: status?.replicas ?? 0, ...(selector ? { selector } : {}) },
  };
}

/** The workload with the replicas that `scale` asks for (none given means zero), as a new object that shares the rest. */
export function applyScale(
  info: ResourceInfo,
  object: KubeObject,
  scale: { spec?: { replicas?: number }; metadata?: ObjectMeta },
): KubeObject {
  const metadata = { ...object.metadata };
  if (scale.metadata?.resourceVersion) metadata.resourceVersion = scale.metadata.resourceVersion;
  const path = info.custom?.scale?.specReplicas;
  if (path) return withValue({ ...object, metadata }, path, scale.spec?.replicas ?? 0) as KubeObject;
  return { ...object, metadata, spec: { ...(object['spec'] as object | undefined), replicas: scale.spec?.replicas ?? 0 } };
}

/** A custom resource's definition says where its replicas and its selector are. Throws StatusError when it has no replicas to speak of. */
function customScaleOf({ specReplicas, statusReplicas, labelSelector }: ScalePaths, object: KubeObject): Scale {
  const replicas = valueAt(object, specReplicas);
  if (typeof replicas !== 'number')
    throw statusError('InternalError', `Internal error occurred: the spec replicas field ".${specReplicas.join('.')}" does not exist`);
  const current = valueAt(object, statusReplicas);
  const selector = labelSelector && valueAt(object, labelSelector);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: identityOf(object.metadata),
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: typeof current === 'number' ? current : 0, ...(typeof selector === 'string' && selector ? { selector } : {}) },
  };
}

type ScalePaths = NonNullable<CustomRules['scale']>;

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, name) => (isRecord(inner) ? inner[name] : undefined), value);
}

/** A copy of the objects on the way. */
function withValue(value: unknown, [name, ...rest]: readonly string[], set: unknown): unknown {
  if (name === undefined) return set;
  const record = isRecord(value) ? value : {};
  return { ...record, [name]: withValue(record[name], rest, set) };
}

function selectorText(info: ResourceInfo, selector: unknown): string {
  if (selector === undefined || selector === null) return '';
  if (info.kind === 'ReplicationController') return formatLabelSelector(labelSelectorOfMap(selector as Record<string, string>));
  return formatLabelSelector(selector);
}

function identityOf({ name, namespace, uid, resourceVersion, creationTimestamp }: ObjectMeta): ObjectMeta {
  const identity: ObjectMeta = { name, namespace, uid, resourceVersion, creationTimestamp };
  for (const key of Object.keys(identity) as (keyof ObjectMeta)[]) if (identity[key] === undefined) delete identity[key];
  return identity;
}
