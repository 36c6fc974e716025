/** The scale subresource: one small shape for everything that has replicas. */
import type { KubeObject } from '../meta.ts';
import { formatLabelSelector, labelSelectorOfMap } from '../selectors.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import type { LabelSelector, ObjectMeta } from '../types.gen.ts';

/** autoscaling/v1 Scale. */
export interface Scale extends KubeObject {
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

/** The scale of a workload, with the identity and the resourceVersion of the workload itself. */
export function scaleOf(info: ResourceInfo, object: KubeObject): Scale {
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
  _info: ResourceInfo,
  object: KubeObject,
  scale: { spec?: { replicas?: number }; metadata?: ObjectMeta },
): KubeObject {
  const metadata = { ...object.metadata };
  if (scale.metadata?.resourceVersion) metadata.resourceVersion = scale.metadata.resourceVersion;
  return { ...object, metadata, spec: { ...(object['spec'] as object | undefined), replicas: scale.spec?.replicas ?? 0 } };
}

function selectorText(info: ResourceInfo, selector: unknown): string {
  if (selector === undefined || selector === null) return '';
  if (info.kind === 'ReplicationController') return formatLabelSelector(labelSelectorOfMap(selector as Record<string, string>));
  return formatLabelSelector(selector as LabelSelector);
}

function identityOf({ name, namespace, uid, resourceVersion, creationTimestamp }: ObjectMeta): ObjectMeta {
  const identity: ObjectMeta = { name, namespace, uid, resourceVersion, creationTimestamp };
  for (const key of Object.keys(identity) as (keyof ObjectMeta)[]) if (identity[key] === undefined) delete identity[key];
  return identity;
}
