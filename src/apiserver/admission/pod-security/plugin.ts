/** Pod Security Standards by namespace labels (KEP-2579): `enforce` refuses pods, `warn` tells the client and `audit` the audit log, of workloads too. */
import type { KubeObject } from '../../../api/meta.ts';
import { invalid } from '../../../api/status.ts';
import type { FieldError } from '../../../api/status.ts';
import type { Namespace, Pod } from '../../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest } from '../../contract.ts';
import type { Stored, StoredObjects } from '../../stored.ts';
import { stored } from '../../stored.ts';
import { isFor, refuse } from '../refuse.ts';
import { BASELINE } from './baseline.ts';
import { OVERRIDDEN, RESTRICTED } from './restricted.ts';
import { minorOf } from './versions.ts';
import type { PodLike, Violation } from './violation.ts';

const PREFIX = 'pod-security.kubernetes.io/';
const LEVELS = ['privileged', 'baseline', 'restricted'];
type Mode = 'enforce' | 'audit' | 'warn';

interface Policy {
  level: string;
  version: string;
}

export function podSecurity(objects: StoredObjects): AdmissionPlugin {
  const namespaces = stored<Namespace>(objects, '', 'v1', 'namespaces');
  const pods = stored<Pod>(objects, '', 'v1', 'pods');
  return {
    name: 'PodSecurity',
    validate(request) {
      if (request.operation !== 'CREATE' && request.operation !== 'UPDATE') return;
      if (isFor(request, '', 'namespaces')) {
        checkNamespace(request, pods);
        return;
      }
      const pod = podOf(request);
      const labels = pod && namespaces.get('', request.namespace)?.metadata.labels;
      if (!pod || !labels || !Object.keys(labels).some((label) => label.startsWith(PREFIX))) return;
      checkPod(request, pod, labels);
    },
  };
}

function checkPod(request: AdmissionRequest, pod: PodLike, labels: Readonly<Record<string, string>>): void {
  const enforce = policyOf(labels, 'enforce');
  if (isPod(request)) {
    request.annotate?.(`${PREFIX}enforce-policy`, `${enforce.level}:${enforce.version}`);
    const why = describe(violations(pod, enforce));
    if (why) throw refuse(request, `violates PodSecurity "${enforce.level}:${enforce.version}": ${why}`);
  }
  const audit = policyOf(labels, 'audit');
  const noted = describe(violations(pod, audit));
  if (noted) request.annotate?.(`${PREFIX}audit-violations`, `would violate PodSecurity "${audit.level}:${audit.version}": ${noted}`);
  const warn = policyOf(labels, 'warn');
  const why = describe(violations(pod, warn));
  if (why) request.warn(`would violate PodSecurity "${warn.level}:${warn.version}": ${why}`);
}

function isPod({ resource }: AdmissionRequest): boolean {
  return resource.group === '' && resource.resource === 'pods';
}

const TEMPLATES = new Set([
  'apps/deployments',
  'apps/replicasets',
  'apps/statefulsets',
  'apps/daemonsets',
  'batch/jobs',
  '/replicationcontrollers',
  '/podtemplates',
  'batch/cronjobs',
]);

/** The pod of a request, or the template in a workload; undefined where there is none to judge. */
function podOf({ resource, subresource, operation, object }: AdmissionRequest): PodLike | undefined {
  if (!object) return undefined;
  if (resource.group === '' && resource.resource === 'pods') {
    // Updates cannot make a pod less safe but by its ephemeral containers.
    const judged = (operation === 'CREATE' && subresource === '') || (operation === 'UPDATE' && subresource === 'ephemeralcontainers');
    return judged ? (object as unknown as PodLike) : undefined;
  }
  if (subresource || !TEMPLATES.has(`${resource.group}/${resource.resource}`)) return undefined;
  return templateOf(object);
}

function templateOf(object: KubeObject): PodLike | undefined {
  const spec = object['spec'] as { template?: PodLike; jobTemplate?: { spec?: { template?: PodLike } } } | undefined;
  const template = (object['template'] as PodLike | undefined) ?? spec?.template ?? spec?.jobTemplate?.spec?.template;
  return template?.spec ? template : undefined;
}

function policyOf(labels: Readonly<Record<string, string>>, mode: Mode): Policy {
  return { level: labels[PREFIX + mode] ?? 'privileged', version: labels[`${PREFIX}${mode}-version`] ?? 'latest' };
}

function violations(pod: PodLike, { level, version }: Policy): Violation[] {
  if (level === 'privileged') return [];
  const minor = minorOf(version);
  // What the restricted level says more strictly is left out, but only where it has begun to say it.
  const isOverridden = (id: string): boolean => level === 'restricted' && minor >= (OVERRIDDEN.get(id) ?? Infinity);
  const baseline = Object.entries(BASELINE).filter(([id]) => !isOverridden(id));
  const checks = level === 'baseline' ? baseline : [...baseline, ...Object.entries(RESTRICTED)];
  return checks.map(([, check]) => check(pod, minor)).filter((violation) => violation !== undefined);
}

const describe = (found: readonly Violation[]): string => found.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');

/** Labels must be levels that exist; a stricter level warns of the pods that are already there. */
function checkNamespace(request: AdmissionRequest, pods: Stored<Pod>): void {
  const { labels = {}, name = '' } = request.object!.metadata;
  const errors = (['enforce', 'audit', 'warn'] as const).flatMap((mode) => labelErrors(labels, mode));
  if (errors.length > 0) throw invalid('Namespace', '', name, errors);
  const policy = policyOf(labels, 'enforce');
  const { level, version } = policy;
  const before = policyOf(request.oldObject?.metadata.labels ?? {}, 'enforce');
  if (request.operation !== 'UPDATE' || (level === before.level && version === before.version)) return;
  const found = pods
    .list(name)
    .map((pod) => ({ name: pod.metadata.name!, reasons: violations(pod as PodLike, policy).map(({ reason }) => reason) }));
  const bad = found.filter(({ reasons }) => reasons.length > 0);
  if (bad.length === 0) return;
  request.warn(`existing pods in namespace ${JSON.stringify(name)} violate the new PodSecurity enforce level "${level}:${version}"`);
  for (const [reasons, same] of Map.groupBy(bad, (pod) => pod.reasons.join(', '))) {
    const others = same.length > 2 ? ` (and ${same.length - 1} other pods)` : same.length === 2 ? ' (and 1 other pod)' : '';
    request.warn(`${same[0]!.name}${others}: ${reasons}`);
  }
}

function labelErrors(labels: Readonly<Record<string, string>>, mode: Mode): FieldError[] {
  const errors: FieldError[] = [];
  const field = (label: string): string => `metadata.labels[${label}]`;
  const level = labels[PREFIX + mode];
  const version = labels[`${PREFIX}${mode}-version`];
  if (level !== undefined && !LEVELS.includes(level)) {
    errors.push({
      field: field(PREFIX + mode),
      type: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(level)}: must be one of ${LEVELS.join(', ')}`,
    });
  }
  if (version !== undefined && version !== 'latest' && !/^v1\.\d+$/.test(version)) {
    errors.push({
      field: field(`${PREFIX}${mode}-version`),
      type: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(version)}: must be "latest" or "v1.x"`,
    });
  }
  return errors;
}
