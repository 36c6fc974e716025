/** Kinds whose rules are a handful of lines: revisions, leases, classes, namespaces, events. */
import { semanticEqual } from '../patch/json.ts';
import type { ControllerRevision, Event, IngressClass, Lease, Namespace, RuntimeClass } from '../types.gen.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems, pathSegmentProblems, qualifiedNameProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';
import { checkTolerations } from './scheduling.ts';
import { checkLabels } from './metadata.ts';

export function checkControllerRevision(problems: Problems, { data, revision }: ControllerRevision): void {
  if (data === undefined || data === null) problems.required('data', 'data is mandatory');
  problems.nonNegative('revision', revision);
}

export function checkControllerRevisionUpdate(problems: Problems, next: ControllerRevision, old: ControllerRevision): void {
  problems.immutable('data', semanticEqual(next.data, old.data), next.data);
}

const STRATEGIES = ['OldestEmulationVersion'];

export function checkLease(problems: Problems, { spec }: Lease): void {
  if (!spec) return;
  const { leaseDurationSeconds: duration, leaseTransitions: transitions, strategy, preferredHolder } = spec;
  if (duration !== undefined && duration <= 0) problems.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0');
  if (transitions !== undefined && transitions < 0)
    problems.invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0');
  if (spec.holderIdentity === '') problems.invalid('spec.holderIdentity', '', 'must not be empty');
  if (strategy !== undefined && !strategy.includes('/') && !STRATEGIES.includes(strategy))
    problems.unsupported('spec.strategy', strategy, STRATEGIES);
  if (preferredHolder && !strategy) problems.forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined');
}

const CONTROLLER_MAX = 250;

export function checkIngressClass(problems: Problems, { spec }: IngressClass): void {
  const { controller, parameters } = spec ?? {};
  if (controller) checkPrefixedPath(problems, 'spec.controller', controller);
  else problems.required('spec.controller');
  if (!parameters) return;
  const path = 'spec.parameters';
  if (parameters.apiGroup !== undefined)
    problems.invalidEach(`${path}.apiGroup`, parameters.apiGroup, dns1123SubdomainProblems(parameters.apiGroup));
  for (const field of ['kind', 'name'] as const) {
    const value = parameters[field];
    if (value) problems.invalidEach(`${path}.${field}`, value, pathSegmentProblems(value));
    else problems.required(`${path}.${field}`, `${field} is required`);
  }
  checkParametersScope(problems, path, parameters);
}

/** `example.com/path/to/it` (apimachinery's IsDomainPrefixedPath). */
function checkPrefixedPath(problems: Problems, path: string, text: string): void {
  if (text.length > CONTROLLER_MAX) problems.tooLong(path, CONTROLLER_MAX);
  const at = text.indexOf('/');
  const [host, rest] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
  if (!host || !rest) return problems.invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")');
  problems.invalidEach(path, host, dns1123SubdomainProblems(host));
  if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest))
    problems.invalid(path, rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
}

function checkParametersScope(
  problems: Problems,
  path: string,
  { scope, namespace }: NonNullable<NonNullable<IngressClass['spec']>['parameters']>,
): void {
  if (!scope) return problems.required(`${path}.scope`);
  if (scope !== 'Cluster' && scope !== 'Namespace') return problems.unsupported(`${path}.scope`, scope, ['Cluster', 'Namespace']);
  if (scope === 'Cluster' && namespace !== undefined) problems.forbidden(`${path}.namespace`, "`parameters.scope` is set to 'Cluster'");
  if (scope !== 'Namespace') return;
  if (namespace === undefined) problems.required(`${path}.namespace`, "`parameters.scope` is set to 'Namespace'");
  else problems.invalidEach(`${path}.namespace`, namespace, dns1123LabelProblems(namespace));
}

export function checkIngressClassUpdate(problems: Problems, { spec }: IngressClass, old: IngressClass): void {
  problems.immutable('spec.controller', spec?.controller === old.spec?.controller, spec?.controller ?? '');
}

export function checkRuntimeClass(problems: Problems, { handler, overhead, scheduling }: RuntimeClass): void {
  problems.invalidEach('handler', handler, dns1123LabelProblems(handler));
  for (const [name, quantity] of Object.entries(overhead?.podFixed ?? {})) {
    const path = `overhead.podFixed[${name}]`;
    problems.invalidEach(path, name, qualifiedNameProblems(name));
    checkQuantity(problems, path, quantity);
  }
  checkLabels(problems, 'scheduling.nodeSelector', scheduling?.nodeSelector);
  const tolerations = scheduling?.tolerations ?? [];
  checkTolerations(problems, 'scheduling.tolerations', tolerations);
  for (const [index, toleration] of tolerations.entries()) {
    if (tolerations.findIndex((other) => semanticEqual(other, toleration)) < index)
      problems.duplicate(`scheduling.tolerations[${index}]`, toleration);
  }
}

export function checkRuntimeClassUpdate(problems: Problems, next: RuntimeClass, old: RuntimeClass): void {
  problems.immutable('handler', next.handler === old.handler, next.handler);
}

export function checkNamespace(problems: Problems, { spec }: Namespace): void {
  for (const finalizer of spec?.finalizers ?? []) checkFinalizer(problems, 'spec.finalizers', finalizer);
}

/** The update of `finalize`. */
export function checkNamespaceFinalize(problems: Problems, { spec }: Namespace): void {
  for (const [index, finalizer] of (spec?.finalizers ?? []).entries()) checkFinalizer(problems, `spec.finalizers[${index}]`, finalizer);
}

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];

function checkFinalizer(problems: Problems, path: string, finalizer: string): void {
  problems.invalidEach(path, finalizer, qualifiedNameProblems(finalizer));
  if (!finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer))
    problems.invalid(path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified');
}

const EVENT_LIMITS = { reason: 128, action: 128, reportingInstance: 128, message: 1024 } as const;

/** Events of the past are kept as they came; those that tell their eventTime are of the new kind (KEP-383) and fully checked. */
export function checkEvent(problems: Problems, event: Event): void {
  const { involvedObject, metadata, eventTime, reportingComponent = '' } = event;
  const about = involvedObject?.namespace ?? '';
  const own = metadata.namespace ?? '';
  // What is about the whole cluster has to be somewhere all the same.
  const fits = about === '' ? own === 'default' || (eventTime ? own === 'kube-system' : own === '') : eventTime || about === own;
  if (!fits) problems.invalid('involvedObject.namespace', about, 'does not match event.namespace');
  if (!eventTime) return;
  if (!reportingComponent) problems.required('reportingComponent');
  else problems.invalidEach('reportingComponent', reportingComponent, qualifiedNameProblems(reportingComponent));
  if (!event.reportingInstance) problems.required('reportingInstance');
  if (!event.action) problems.required('action');
  if (!event.reason) problems.required('reason');
  for (const [field, max] of Object.entries(EVENT_LIMITS)) {
    const text = event[field as keyof typeof EVENT_LIMITS] ?? '';
    if (Buffer.byteLength(text) > max) problems.invalid(field, '', `can have at most ${max} characters`);
  }
}
