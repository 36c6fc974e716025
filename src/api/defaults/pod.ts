/** Defaults of pods and of the pod templates in every workload (upstream: pkg/apis/core/v1/defaults.go and its conversions). */
import { addQuantities } from '../codec/quantity.ts';
import type { Container, HTTPGetAction, Lifecycle, Pod, PodSpec, PodTemplate, PodTemplateSpec, Probe } from '../types.gen.ts';
import { pullPolicyOf } from './image.ts';
import { defaultVolume } from './volume.ts';

/** A pod gets what its template gets, and besides what only makes sense for a running one. */
export function defaultPod(pod: Pod): void {
  const { spec } = pod;
  if (!spec) return;
  defaultPodSpec(spec);
  spec.enableServiceLinks ??= true;
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    requestsFromLimits(container);
    if (spec.hostNetwork) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
  }
  podLevelRequests(spec);
}

export function defaultPodTemplate(object: PodTemplate): void {
  if (object.template) defaultTemplate(object.template);
}

export function defaultTemplate(template: PodTemplateSpec): void {
  if (template.spec) defaultPodSpec(template.spec);
}

function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

function defaultContainer(container: Container): void {
  container.imagePullPolicy ||= pullPolicyOf(container.image);
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef) valueFrom.fieldRef.apiVersion ||= 'v1';
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) if (probe) defaultProbe(probe);
  if (container.lifecycle) defaultLifecycle(container.lifecycle);
}

/** Zero means unset: none of these may be zero. */
function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.httpGet) defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultLifecycle({ postStart, preStop }: Lifecycle): void {
  if (postStart?.httpGet) defaultHttpGet(postStart.httpGet);
  if (preStop?.httpGet) defaultHttpGet(preStop.httpGet);
}

function defaultHttpGet(action: HTTPGetAction): void {
  action.path ||= '/';
  action.scheme ||= 'HTTP';
}

function requestsFromLimits({ resources }: Container): void {
  if (!resources?.limits) return;
  for (const [name, limit] of Object.entries(resources.limits)) {
    resources.requests ??= {};
    resources.requests[name] ??= limit;
  }
}

const POD_LEVEL = new Set(['cpu', 'memory']);

/** KEP-2837: a pod with limits of its own asks for what its containers ask for, else for its limits. */
function podLevelRequests(spec: PodSpec): void {
  const limits = spec.resources?.limits;
  if (!limits || Object.keys(limits).length === 0) return;
  const requests: Record<string, string> = { ...spec.resources!.requests };
  for (const name of POD_LEVEL) {
    const asked = (spec.containers ?? []).flatMap((container) => container.resources?.requests?.[name] ?? []);
    if (requests[name] === undefined && asked.length > 0) requests[name] = addQuantities(...asked);
  }
  for (const [name, limit] of Object.entries(limits)) {
    if (POD_LEVEL.has(name) || name.startsWith('hugepages-')) requests[name] ??= limit;
  }
  spec.resources!.requests = requests;
}
