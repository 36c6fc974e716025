/**
 * Between the version that a resource is served in and the one that it is stored in. Most kinds have one shape in all their versions
 * and only change apiVersion; those that do not are listed here, each in a file of its own.
 */
import { groupVersion } from '../meta.ts';
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { autoscalerFromV2, autoscalerToV2 } from './autoscaler.ts';
import { claimFromV1, claimTemplateFromV1, claimTemplateToV1, claimToV1, sliceFromV1, sliceToV1 } from './devices.ts';
import { eventFromCore, eventToCore } from './event.ts';

export interface Conversion {
  /** To the shape of the storage version; apiVersion is set by the caller. Must not change its argument. */
  toStorage(object: KubeObject): KubeObject;
  fromStorage(object: KubeObject): KubeObject;
}

/** By the served `group/version/Kind`. */
const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  'autoscaling/v1/HorizontalPodAutoscaler': { toStorage: autoscalerToV2, fromStorage: autoscalerFromV2 },
  'events.k8s.io/v1/Event': { toStorage: eventToCore, fromStorage: eventFromCore },
  'resource.k8s.io/v1beta1/ResourceClaim': { toStorage: claimToV1, fromStorage: claimFromV1 },
  'resource.k8s.io/v1beta1/ResourceClaimTemplate': { toStorage: claimTemplateToV1, fromStorage: claimTemplateFromV1 },
  'resource.k8s.io/v1beta1/ResourceSlice': { toStorage: sliceToV1, fromStorage: sliceFromV1 },
};

/** `object`, sent in the version of `info`, as it is stored: `info.storageVersion`. The argument itself where nothing differs. */
export function convertToStorage(info: ResourceInfo, object: KubeObject): KubeObject {
  return convert(object, info.storageVersion, (info.legacy ?? servedConversion(info))?.toStorage);
}

/** `object` as stored, in the version that `info` serves. The argument itself where nothing differs. */
export function convertFromStorage(info: ResourceInfo, object: KubeObject): KubeObject {
  return convert(object, groupVersion(info), (info.legacy ?? servedConversion(info))?.fromStorage);
}

/** Whether the served form is the stored form, byte for byte: what is stored can be sent as it is. */
export function isStoredForm(info: ResourceInfo): boolean {
  return groupVersion(info) === info.storageVersion;
}

function servedConversion(info: ResourceInfo): Conversion | undefined {
  return CONVERSIONS[`${groupVersion(info)}/${info.kind}`];
}

function convert(object: KubeObject, apiVersion: string, shape: ((object: KubeObject) => KubeObject) | undefined): KubeObject {
  if (object.apiVersion === apiVersion) return object;
  return { ...(shape ? shape(object) : object), apiVersion };
}
