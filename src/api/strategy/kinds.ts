/** The kinds whose first write or update the server shapes in a way of its own. */
import type { KubeObject } from '../meta.ts';
import { semanticEqual } from '../patch/json.ts';
import { timestamp } from '../time.ts';
import type {
  CertificateSigningRequest,
  CustomResourceDefinition,
  DaemonSet,
  Job,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from '../types.gen.ts';
import { qosClassOf } from './qos.ts';

/** `group/Kind` to what happens on create, after the status was reset. */
export const CREATE_RULES: Readonly<Record<string, (object: never, now: number) => void>> = {
  '/Pod': createPod,
  '/Namespace': createNamespace,
  '/PersistentVolume': createPersistentVolume,
  '/PersistentVolumeClaim': createPersistentVolumeClaim,
  'apps/DaemonSet': createDaemonSet,
  'batch/Job': createJob,
  'apiextensions.k8s.io/CustomResourceDefinition': createCustomResourceDefinition,
};

/** `group/Kind` to what happens on a write to the status; `object` is the old object with the new status, of which only the status may be changed. */
export const STATUS_RULES: Readonly<Record<string, (object: never, old: never, now: number) => void>> = {
  'certificates.k8s.io/CertificateSigningRequest': updateSigningRequestStatus,
};

/** `group/Kind` to what happens on update; `object` is a new object of which only the top level and metadata may be changed. */
export const UPDATE_RULES: Readonly<Record<string, (object: never, old: never) => void>> = {
  '/Namespace': keepNamespaceSpec,
  'apps/DaemonSet': countTemplates,
  'certificates.k8s.io/CertificateSigningRequest': keepSigningRequestSpec,
  'apiextensions.k8s.io/CustomResourceDefinition': keepStoredVersions,
};

function createPod(pod: Pod, now: number): void {
  pod.status = { phase: 'Pending', qosClass: qosClassOf(pod) };
  if (!pod.spec?.schedulingGates?.length) return;
  pod.status.conditions = [
    {
      type: 'PodScheduled',
      status: 'False',
      reason: 'SchedulingGated',
      message: 'Scheduling is blocked due to non-empty scheduling gates',
      lastTransitionTime: timestamp(now),
    },
  ];
}

/** The finalizer holds a deleted namespace until the namespace controller has emptied it. */
function createNamespace(namespace: Namespace): void {
  namespace.status = { phase: 'Active' };
  const finalizers = namespace.spec?.finalizers ?? [];
  namespace.spec = { ...namespace.spec, finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] };
}

/** Only the finalize subresource changes a namespace's finalizers. */
function keepNamespaceSpec(namespace: Namespace, old: Namespace): void {
  if (old.spec) namespace.spec = old.spec;
  else delete namespace.spec;
}

function createPersistentVolume(volume: PersistentVolume, now: number): void {
  volume.status = { phase: 'Pending', lastPhaseTransitionTime: timestamp(now) };
}

function createPersistentVolumeClaim(claim: PersistentVolumeClaim): void {
  claim.status = { phase: 'Pending' };
}

const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

function createDaemonSet(daemonSet: DaemonSet): void {
  daemonSet.metadata.annotations = { ...daemonSet.metadata.annotations, [TEMPLATE_GENERATION]: '1' };
}

function countTemplates(daemonSet: DaemonSet, old: DaemonSet): void {
  const before = Number(old.metadata.annotations?.[TEMPLATE_GENERATION] ?? '1');
  const count = before + (semanticEqual(daemonSet.spec?.template, old.spec?.template) ? 0 : 1);
  daemonSet.metadata.annotations = { ...daemonSet.metadata.annotations, [TEMPLATE_GENERATION]: String(count) };
}

/** A Job owns exactly the pods that carry its uid, unless its author takes the selector over (`manualSelector`). */
function createJob(job: Job): void {
  const { spec, metadata } = job;
  if (!spec?.template || spec.manualSelector) return;
  const owner = { 'controller-uid': metadata.uid!, 'batch.kubernetes.io/controller-uid': metadata.uid! };
  const name = { 'job-name': metadata.name!, 'batch.kubernetes.io/job-name': metadata.name! };
  spec.template.metadata = { ...spec.template.metadata, labels: { ...spec.template.metadata?.labels, ...owner, ...name } };
  spec.selector = { ...spec.selector, matchLabels: { ...spec.selector?.matchLabels, 'batch.kubernetes.io/controller-uid': metadata.uid! } };
}

function createCustomResourceDefinition(definition: CustomResourceDefinition): void {
  const stored = (definition.spec?.versions ?? []).filter((version) => version.storage).map((version) => version.name);
  (definition as unknown as KubeObject)['status'] = { conditions: null, acceptedNames: { plural: '', kind: '' }, storedVersions: stored };
}

/** A version once used for storage stays on record until a migration takes it off through the status. */
function keepStoredVersions(definition: CustomResourceDefinition, old: CustomResourceDefinition): void {
  const before = old.status?.storedVersions ?? [];
  const added = (definition.spec?.versions ?? [])
    .filter((version) => version.storage && !before.includes(version.name))
    .map((version) => version.name);
  if (added.length > 0) definition.status = { ...old.status, storedVersions: [...before, ...added] };
}

/** What was asked for is not changed afterwards: an approval is of exactly that. */
function keepSigningRequestSpec(request: CertificateSigningRequest, old: CertificateSigningRequest): void {
  if (old.spec) request.spec = old.spec;
}

/** Whoever sets a condition need not say when. */
function updateSigningRequestStatus(request: CertificateSigningRequest, old: CertificateSigningRequest, now: number): void {
  const conditions = request.status?.conditions;
  if (!conditions) return;
  const moment = timestamp(now);
  const dated = conditions.map((condition) => {
    const before = old.status?.conditions?.find(({ type, status }) => type === condition.type && status === condition.status);
    return {
      ...condition,
      lastUpdateTime: condition.lastUpdateTime ?? moment,
      lastTransitionTime: condition.lastTransitionTime ?? before?.lastTransitionTime ?? moment,
    };
  });
  request.status = { ...request.status, conditions: dated };
}
