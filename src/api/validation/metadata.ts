/** ObjectMeta: what all objects share (apimachinery's validation of object meta). */
import type { KubeObject } from '../meta.ts';
import { semanticEqual } from '../patch/json.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import type { ObjectMeta, OwnerReference } from '../types.gen.ts';
import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  ipProblems,
  labelKeyProblems,
  labelValueProblems,
  pathSegmentProblems,
  qualifiedNameProblems,
} from './names.ts';
import type { Problems } from './problems.ts';

const ANNOTATIONS_MAX_BYTES = 256 * 1024;

export function checkMetadata(problems: Problems, info: ResourceInfo, { metadata }: KubeObject): void {
  const nameRule = nameRuleOf(info);
  if (metadata.generateName) {
    // A name will be made of it: a trailing dash is no fault.
    problems.invalidEach('metadata.generateName', metadata.generateName, nameRule(metadata.generateName.replace(/-$/, 'a')));
  }
  if (!metadata.name) problems.required('metadata.name', 'name or generateName is required');
  else problems.invalidEach('metadata.name', metadata.name, nameRule(metadata.name));
  checkNamespace(problems, info, metadata);
  problems.nonNegative('metadata.generation', metadata.generation);
  checkLabels(problems, 'metadata.labels', metadata.labels);
  checkAnnotations(problems, 'metadata.annotations', metadata.annotations);
  checkOwners(problems, metadata.ownerReferences ?? []);
  checkFinalizers(problems, metadata.finalizers ?? []);
}

const KEPT = ['name', 'namespace', 'uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const;

/** What an update may not change about an object. */
export function checkMetadataUpdate(problems: Problems, info: ResourceInfo, object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  for (const field of KEPT) problems.immutable(`metadata.${field}`, semanticEqual(metadata[field], old.metadata[field]), metadata[field]);
  if ((metadata.generation ?? 0) < (old.metadata.generation ?? 0))
    problems.invalid('metadata.generation', metadata.generation ?? 0, 'must not be decremented');
  if (old.metadata.deletionTimestamp) {
    const added = (metadata.finalizers ?? []).filter((finalizer) => !old.metadata.finalizers?.includes(finalizer)).toSorted();
    if (added.length > 0) {
      const list = `[]string{${added.map((each) => JSON.stringify(each)).join(', ')}}`;
      problems.forbidden(
        'metadata.finalizers',
        `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
      );
    }
  }
  checkNamespace(problems, info, metadata);
  checkLabels(problems, 'metadata.labels', metadata.labels);
  checkAnnotations(problems, 'metadata.annotations', metadata.annotations);
  checkOwners(problems, metadata.ownerReferences ?? []);
  checkFinalizers(problems, metadata.finalizers ?? []);
}

export function checkLabels(problems: Problems, path: string, labels: Readonly<Record<string, string>> | undefined): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    problems.invalidEach(path, key, labelKeyProblems(key));
    problems.invalidEach(path, value, labelValueProblems(value));
  }
}

export function checkAnnotations(problems: Problems, path: string, annotations: Readonly<Record<string, string>> | undefined): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // Annotation keys may be written in upper case, their prefix included.
    problems.invalidEach(path, key, qualifiedNameProblems(key.toLowerCase()));
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > ANNOTATIONS_MAX_BYTES) problems.tooLong(path, ANNOTATIONS_MAX_BYTES);
}

function checkNamespace(problems: Problems, info: ResourceInfo, { namespace }: ObjectMeta): void {
  if (!info.namespaced) {
    if (namespace) problems.forbidden('metadata.namespace', 'not allowed on this type');
  } else if (!namespace) {
    problems.required('metadata.namespace');
  } else {
    problems.invalidEach('metadata.namespace', namespace, dns1123LabelProblems(namespace));
  }
}

function checkOwners(problems: Problems, owners: readonly OwnerReference[]): void {
  const path = 'metadata.ownerReferences';
  let controller: string | undefined;
  for (const owner of owners) {
    if (!owner.apiVersion) problems.invalid(`${path}.apiVersion`, '', 'version must not be empty');
    for (const field of ['kind', 'name', 'uid'] as const) if (!owner[field]) problems.invalid(`${path}.${field}`, '', 'must not be empty');
    if (owner.apiVersion === 'v1' && owner.kind === 'Event')
      problems.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner');
    if (!owner.controller) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller)
      problems.invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
      );
    controller = name;
  }
}

const STANDARD_FINALIZERS = new Set(['kubernetes', 'orphan', 'foregroundDeletion']);

function checkFinalizers(problems: Problems, finalizers: readonly string[]): void {
  for (const [index, finalizer] of finalizers.entries()) {
    problems.invalidEach('metadata.finalizers', finalizer, qualifiedNameProblems(finalizer));
    if (!finalizer.includes('/') && !STANDARD_FINALIZERS.has(finalizer)) {
      problems.invalid(`metadata.finalizers[${index}]`, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
    }
  }
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    problems.invalid('metadata.finalizers', finalizers, 'finalizer orphan and foregroundDeletion cannot be both set');
  }
}

type NameRule = (name: string) => string[];

function nameRuleOf(info: ResourceInfo): NameRule {
  return (
    NAME_RULES[`${info.group}/${info.kind}`] ??
    (info.group === 'rbac.authorization.k8s.io' ? pathSegmentProblems : dns1123SubdomainProblems)
  );
}

const anyName: NameRule = () => [];

/** Kinds whose names are no DNS subdomains. */
const NAME_RULES: Readonly<Record<string, NameRule>> = {
  '/Namespace': dns1123LabelProblems,
  '/Service': dns1035LabelProblems,
  'apps/StatefulSet': dns1123LabelProblems,
  'certificates.k8s.io/CertificateSigningRequest': anyName,
  'certificates.k8s.io/ClusterTrustBundle': anyName,
  'apiregistration.k8s.io/APIService': pathSegmentProblems,
  'networking.k8s.io/IPAddress': ipProblems,
};

/** The problems of a template's metadata. */
export function checkTemplateMetadata(problems: Problems, path: string, metadata: ObjectMeta | undefined): void {
  checkLabels(problems, `${path}.labels`, metadata?.labels);
  checkAnnotations(problems, `${path}.annotations`, metadata?.annotations);
}
