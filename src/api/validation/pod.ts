/** Pods and pod templates. */
import { semanticEqual } from '../patch/json.ts';
import type { Pod, PodSpec, PodTemplateSpec, Toleration } from '../types.gen.ts';
import { checkContainers } from './container.ts';
import { checkPodClaims } from './devices.ts';
import { checkTemplateMetadata } from './metadata.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkResources } from './resources.ts';
import { checkScheduling } from './scheduling.ts';
import { checkVolumes } from './volume.ts';

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure'];
const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
const MAX_INT32 = 2 ** 31 - 1;

export function checkPod(problems: Problems, { spec, metadata }: Pod): void {
  checkPodSpec(problems, 'spec', spec ?? { containers: [] });
  // Ephemeral containers come through their own subresource, into a pod that already has a uid and a place.
  if (spec?.ephemeralContainers?.length && metadata.generation === 1 && !spec.nodeName)
    problems.forbidden('spec.ephemeralContainers', 'cannot be set on create');
}

export function checkTemplate(problems: Problems, path: string, template: PodTemplateSpec | undefined): void {
  checkTemplateMetadata(problems, path, template?.metadata);
  checkPodSpec(problems, `${path}.spec`, template?.spec ?? { containers: [] });
  if (template?.spec?.ephemeralContainers?.length)
    problems.forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template');
}

function checkPodSpec(problems: Problems, path: string, spec: PodSpec): void {
  checkVolumes(problems, `${path}.volumes`, spec.volumes ?? []);
  checkContainers(problems, path, spec);
  problems.oneOf(`${path}.restartPolicy`, spec.restartPolicy, RESTART_POLICIES);
  problems.oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, DNS_POLICIES);
  if (spec.dnsPolicy === 'None' && !spec.dnsConfig)
    problems.required(`${path}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None');
  else if (spec.dnsPolicy === 'None' && !spec.dnsConfig?.nameservers?.length)
    problems.required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None');
  checkScheduling(problems, path, spec);
  checkPodClaims(problems, path, spec);
  checkPodNames(problems, path, spec);
  problems.nonNegative(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32))
    problems.invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${MAX_INT32}, inclusive`);
  if (spec.resources) checkResources(problems, `${path}.resources`, spec.resources);
  if (spec.schedulingGates?.length && spec.nodeName)
    problems.forbidden(`${path}.nodeName`, 'cannot be set until all schedulingGates have been cleared');
}

function checkPodNames(problems: Problems, path: string, spec: PodSpec): void {
  const { serviceAccountName, nodeName, hostname, subdomain, priorityClassName } = spec;
  if (serviceAccountName)
    problems.invalidEach(`${path}.serviceAccountName`, serviceAccountName, dns1123SubdomainProblems(serviceAccountName));
  if (nodeName) problems.invalidEach(`${path}.nodeName`, nodeName, dns1123SubdomainProblems(nodeName));
  if (hostname) problems.invalidEach(`${path}.hostname`, hostname, dns1123LabelProblems(hostname));
  if (subdomain) problems.invalidEach(`${path}.subdomain`, subdomain, dns1123LabelProblems(subdomain));
  if (priorityClassName) problems.invalidEach(`${path}.priorityClassName`, priorityClassName, dns1123SubdomainProblems(priorityClassName));
}

const FIXED =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** A pod's spec is a promise: only images, deadlines, added tolerations, and gates that open, may change. */
export function checkPodUpdate(problems: Problems, pod: Pod, old: Pod): void {
  const spec = pod.spec ?? { containers: [] };
  const before = old.spec ?? { containers: [] };
  if (spec === before) return;
  for (const field of ['containers', 'initContainers'] as const) {
    if ((spec[field]?.length ?? 0) !== (before[field]?.length ?? 0))
      return problems.forbidden(`spec.${field}`, 'pod updates may not add or remove containers');
  }
  checkDeadlineUpdate(problems, spec.activeDeadlineSeconds, before.activeDeadlineSeconds);
  checkTolerationUpdate(problems, spec.tolerations ?? [], before.tolerations ?? []);
  checkGateUpdate(problems, spec, before);
  if (!semanticEqual(withMutableOf(spec, before), before)) problems.forbidden('spec', FIXED);
}

/** `spec` with all that may change set back to what it was. */
function withMutableOf(spec: PodSpec, before: PodSpec): PodSpec {
  const images = <T extends { image?: string }>(now: T[] | undefined, then: T[] | undefined): T[] | undefined =>
    now?.map((container, index) => ({ ...container, image: then?.[index]?.image }));
  const grace =
    (before.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1
      ? before.terminationGracePeriodSeconds
      : spec.terminationGracePeriodSeconds;
  const gated = (before.schedulingGates?.length ?? 0) > 0;
  return {
    ...spec,
    containers: images(spec.containers, before.containers)!,
    initContainers: images(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    tolerations: before.tolerations,
    schedulingGates: before.schedulingGates,
    terminationGracePeriodSeconds: grace,
    ...(gated ? { nodeSelector: before.nodeSelector, affinity: before.affinity } : {}),
  };
}

function checkDeadlineUpdate(problems: Problems, now: number | undefined, before: number | undefined): void {
  if (now === before || before === undefined) return;
  const path = 'spec.activeDeadlineSeconds';
  if (now === undefined) problems.invalid(path, null, 'must not update from a positive integer to nil value');
  else if (now > before) problems.invalid(path, now, 'must be less than or equal to previous value');
}

function checkTolerationUpdate(problems: Problems, now: readonly Toleration[], before: readonly Toleration[]): void {
  const withoutSeconds = ({ tolerationSeconds: _seconds, ...rest }: Toleration): unknown => rest;
  const kept = before.every((old) => now.some((toleration) => semanticEqual(withoutSeconds(toleration), withoutSeconds(old))));
  if (!kept) problems.forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds');
}

function checkGateUpdate(problems: Problems, spec: PodSpec, before: PodSpec): void {
  const known = new Set((before.schedulingGates ?? []).map(({ name }) => name));
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    if (!known.has(name))
      problems.forbidden(`spec.schedulingGates[${index}]`, "only deletion is allowed, but found new scheduling gate '" + name + "'");
  }
}
