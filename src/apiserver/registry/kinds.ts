import type { ResourceInfo } from '../../api/schema/schema.ts';

/**
 * Where kinds differ in the generic verbs, as upstream's strategies say (AllowCreateOnUpdate, AllowUnconditionalUpdate,
 * DefaultGarbageCollectionPolicy, ReturnDeletedObject). Keys are `group/resource`.
 */
const CREATE_ON_UPDATE = new Set([
  '/endpoints',
  '/events',
  '/limitranges',
  '/services',
  'coordination.k8s.io/leases',
  'events.k8s.io/events',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/roles',
]);

const CONDITIONAL_UPDATE = new Set([
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'admissionregistration.k8s.io/validatingadmissionpolicies',
  'admissionregistration.k8s.io/validatingadmissionpolicybindings',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'apiextensions.k8s.io/customresourcedefinitions',
  'apiregistration.k8s.io/apiservices',
  'coordination.k8s.io/leases',
  'flowcontrol.apiserver.k8s.io/flowschemas',
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations',
  'node.k8s.io/runtimeclasses',
  'policy/poddisruptionbudgets',
  'storage.k8s.io/csidrivers',
  'storage.k8s.io/csinodes',
  'storage.k8s.io/csistoragecapacities',
  'storage.k8s.io/volumeattachments',
]);

const ORPHANS_BY_DEFAULT = new Set(['/replicationcontrollers', 'batch/jobs']);

const RETURNS_DELETED = new Set([
  '/persistentvolumeclaims',
  '/persistentvolumes',
  '/pods',
  '/podtemplates',
  '/resourcequotas',
  '/serviceaccounts',
  '/services',
]);

/** What clients of deprecated kinds are warned of, once an answer (KEP-1693). */
const DEPRECATED: Readonly<Record<string, string>> = {
  '/componentstatuses': 'v1 ComponentStatus is deprecated in v1.19+',
  '/endpoints': 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
};

const key = ({ group, resource }: ResourceInfo): string => `${group}/${resource}`;

export function allowsCreateOnUpdate(info: ResourceInfo): boolean {
  return CREATE_ON_UPDATE.has(key(info));
}

/** Whether a PUT may leave metadata.resourceVersion out. */
export function allowsUnconditionalUpdate(info: ResourceInfo): boolean {
  return !info.custom && !CONDITIONAL_UPDATE.has(key(info));
}

export function orphansByDefault(info: ResourceInfo): boolean {
  return ORPHANS_BY_DEFAULT.has(key(info)) || info.legacy?.orphansByDefault === true;
}

/** Whether DELETE answers with the object instead of a Status. */
export function returnsDeleted(info: ResourceInfo): boolean {
  return RETURNS_DELETED.has(key(info));
}

/** Namespaces go by their own road: spec.finalizers, the namespace controller, `finalize`. */
export function isNamespace({ group, resource }: ResourceInfo): boolean {
  return group === '' && resource === 'namespaces';
}

/** CustomResourceDefinitions take their objects along when they go. */
export function isDefinition({ group, resource }: ResourceInfo): boolean {
  return group === 'apiextensions.k8s.io' && resource === 'customresourcedefinitions';
}

export function deprecationOf(info: ResourceInfo): string | undefined {
  return info.legacy?.warning ?? (info.custom ? info.custom.warning : DEPRECATED[key(info)]);
}
