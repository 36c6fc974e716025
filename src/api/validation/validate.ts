/**
 * Validation, the last word before an object is stored: metadata, then the kind's own rules, then what the schema demands. All findings
 * are returned at once, none thrown; `invalid` in ../status.ts makes the answer of them.
 */
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import type { FieldError } from '../status.ts';
import { checkSigningRequestApproval } from './certificate.ts';
import { CREATE_CHECKS, STATUS_CHECKS, UPDATE_CHECKS } from './kinds.ts';
import { checkMetadata, checkMetadataUpdate } from './metadata.ts';
import { checkEphemeralContainersUpdate, checkPodResize } from './pod-update.ts';
import { Problems } from './problems.ts';
import { checkNamespaceFinalize } from './small-kinds.ts';
import { checkStructure } from './structure.ts';

/** The findings about a new object: defaulted, prepared and named. */
export function validateCreate(info: ResourceInfo, object: KubeObject): FieldError[] {
  const problems = new Problems();
  checkMetadata(problems, info, object);
  CREATE_CHECKS[`${info.group}/${info.kind}`]?.(problems, object as never);
  return withStructure(problems, info, object);
}

/** The findings about a changed object: it must be valid by itself, and a legal successor of `old`. */
export function validateUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  const problems = new Problems();
  const key = `${info.group}/${info.kind}`;
  checkMetadataUpdate(problems, info, object, old);
  UPDATE_CHECKS[key]?.(problems, object as never, old as never);
  if (object['spec'] === undefined || object['spec'] !== old['spec']) CREATE_CHECKS[key]?.(problems, object as never);
  return withStructure(problems, info, object, old);
}

/** The findings about a new status: the rest is the old object's. Its writers are components of the cluster; of most kinds only metadata is checked. */
export function validateStatusUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  const problems = new Problems();
  checkMetadataUpdate(problems, info, object, old);
  STATUS_CHECKS[`${info.group}/${info.kind}`]?.(problems, object as never, old as never);
  // Nobody but their schema knows what a custom resource's status is.
  return info.custom ? [...problems.found, ...info.custom.validate(object, old)] : problems.found;
}

/** The findings about a CertificateSigningRequest that is approved or denied. */
export function validateApprovalUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  const problems = new Problems();
  checkMetadataUpdate(problems, info, object, old);
  checkSigningRequestApproval(problems, object as never, old as never);
  return problems.found;
}

/** The findings about a namespace whose finalizers go. */
export function validateFinalize(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  const problems = new Problems();
  checkMetadataUpdate(problems, info, object, old);
  checkNamespaceFinalize(problems, object);
  return problems.found;
}

/** The findings about a pod that was given ephemeral containers: the pod by itself, and what of it changed. */
export function validateEphemeralContainersUpdate(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  return validatePodPart(info, object, old, checkEphemeralContainersUpdate);
}

/** The findings about a pod whose containers were given other amounts of resources. */
export function validateResize(info: ResourceInfo, object: KubeObject, old: KubeObject): FieldError[] {
  return validatePodPart(info, object, old, checkPodResize);
}

function validatePodPart(info: ResourceInfo, object: KubeObject, old: KubeObject, check: typeof checkPodResize): FieldError[] {
  const problems = new Problems();
  checkMetadataUpdate(problems, info, object, old);
  CREATE_CHECKS['/Pod']!(problems, object as never);
  check(problems, object, old);
  return withStructure(problems, info, object, old);
}

/** A field that a kind's own rule has named, or the list that it is an item of, needs no second finding. */
function withStructure(problems: Problems, info: ResourceInfo, object: KubeObject, old?: KubeObject): FieldError[] {
  if (info.custom) return [...problems.found, ...info.custom.validate(object, old)];
  const structure = new Problems();
  checkStructure(structure, object, info.schema);
  const named = new Set(problems.found.map(({ field }) => field));
  return [...problems.found, ...structure.found.filter(({ field }) => !named.has(field) && !named.has(field.replace(/\[\d+\]$/, '')))];
}
