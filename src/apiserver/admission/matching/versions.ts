import { convertFromStorage, convertToStorage } from '../../../api/convert/convert.ts';
import { groupVersion, type GroupVersionKind, type KubeObject } from '../../../api/meta.ts';
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { AdmissionRequest } from '../../contract.ts';

/** The kind of what is sent to a resource or its subresource: a Pod, a Scale, PodExecOptions. */
export function kindOf(info: ResourceInfo, subresource: string): GroupVersionKind {
  const { group, version, kind } = (subresource && info.subresources.find(({ name }) => name === subresource)) || info;
  return { group, version, kind };
}

/** The objects of a request in one version. */
export interface VersionedObjects {
  object?: KubeObject;
  oldObject?: KubeObject;
}

/**
 * The objects of a request as `info` shows them: in the version that a rule names. Objects of another kind (those of subresources) stay as they
 * are. Throws StatusError when a conversion webhook fails.
 */
export async function objectsIn(request: AdmissionRequest, info: ResourceInfo): Promise<VersionedObjects> {
  const { object, oldObject, subresource } = request;
  return {
    ...(object ? { object: await shown(request.resource, info, typed(object, kindOf(request.resource, subresource))) } : {}),
    ...(oldObject ? { oldObject: await shown(request.resource, info, oldObject) } : {}),
  };
}

/** Clients may leave the type out where the URL says it. */
function typed(object: KubeObject, kind: GroupVersionKind): KubeObject {
  return object.kind ? object : { ...object, kind: kind.kind, apiVersion: groupVersion(kind) };
}

/** The way back: `object`, of the version of `info`, in the form in which the chain hands objects on. */
export async function fromVersion(request: AdmissionRequest, info: ResourceInfo, object: KubeObject): Promise<KubeObject> {
  if (object.kind !== info.kind) return object;
  if (!info.custom) return convertToStorage(info, object);
  return converted(info, request.resource, object);
}

/** Built-in kinds go through the chain in their stored version, custom ones in that of the URL (registry/convert.ts). */
async function shown(from: ResourceInfo, to: ResourceInfo, object: KubeObject): Promise<KubeObject> {
  if (object.kind !== from.kind) return object;
  if (!from.custom) return convertFromStorage(to, object);
  return converted(from, to, object);
}

async function converted({ custom: from, version }: ResourceInfo, to: ResourceInfo, object: KubeObject): Promise<KubeObject> {
  if (!from || !to.custom || to.version === version) return object;
  const kept = await from.toStorage(object);
  await to.custom.prepare?.([kept]);
  return to.custom.fromStorage(kept);
}
