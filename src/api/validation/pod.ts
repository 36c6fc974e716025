/** Pods and pod templates. */
import type { Pod, PodSpec, PodTemplateSpec } from '../types.gen.ts';
import { checkContainers } from './container.ts';
import { checkPodClaims } from './devices.ts';
import { checkTemplateMetadata } from './metadata.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from './names.ts';
import { checkPodFields } from './pod-fields.ts';
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
  checkPodFields(problems, path, spec);
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
