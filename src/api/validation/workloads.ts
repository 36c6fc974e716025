/** The kinds that make pods. */
import { semanticEqual } from '../patch/json.ts';
import { labelSelectorOf, labelSelectorOfMap } from '../selectors.ts';
import type {
  DaemonSet,
  Deployment,
  DeploymentStrategy,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
  ReplicationController,
  StatefulSet,
} from '../types.gen.ts';
import { checkTemplate } from './pod.ts';
import type { Problems } from './problems.ts';
import { checkSelector } from './scheduling.ts';

const MISMATCH = '`selector` does not match template `labels`';

export function checkDeployment(problems: Problems, { spec }: Deployment): void {
  if (!spec) return problems.required('spec');
  problems.nonNegative('spec.replicas', spec.replicas);
  checkOwnedTemplate(problems, spec, 'deployment');
  checkStrategy(problems, spec.strategy ?? {});
  problems.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  problems.nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  problems.nonNegative('spec.progressDeadlineSeconds', deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0))
    problems.invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
}

export function checkReplicaSet(problems: Problems, { spec }: ReplicaSet): void {
  if (!spec) return problems.required('spec');
  problems.nonNegative('spec.replicas', spec.replicas);
  problems.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  checkOwnedTemplate(problems, spec, 'deployment');
}

export function checkDaemonSet(problems: Problems, { spec }: DaemonSet): void {
  if (!spec) return problems.required('spec');
  checkOwnedTemplate(problems, spec, 'daemonset');
  problems.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  problems.nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (type !== 'RollingUpdate' && type !== 'OnDelete')
    problems.unsupported('spec.updateStrategy.type', type ?? '', ['OnDelete', 'RollingUpdate']);
  if (type !== 'RollingUpdate' || !rollingUpdate) return;
  const path = 'spec.updateStrategy.rollingUpdate';
  checkCountOrPercent(problems, `${path}.maxUnavailable`, rollingUpdate.maxUnavailable);
  checkCountOrPercent(problems, `${path}.maxSurge`, rollingUpdate.maxSurge);
  if (isZero(rollingUpdate.maxUnavailable) && isZero(rollingUpdate.maxSurge))
    problems.required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0');
  else if (!isZero(rollingUpdate.maxUnavailable) && !isZero(rollingUpdate.maxSurge))
    problems.invalid(`${path}.maxSurge`, rollingUpdate.maxSurge, 'may not be set when maxUnavailable is non-zero');
}

export function checkStatefulSet(problems: Problems, { spec }: StatefulSet): void {
  if (!spec) return problems.required('spec');
  problems.nonNegative('spec.replicas', spec.replicas);
  problems.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  problems.oneOf('spec.podManagementPolicy', spec.podManagementPolicy, ['OrderedReady', 'Parallel']);
  problems.oneOf('spec.updateStrategy.type', spec.updateStrategy?.type, ['OnDelete', 'RollingUpdate']);
  if (spec.updateStrategy?.type === 'OnDelete' && spec.updateStrategy.rollingUpdate)
    problems.invalid(
      'spec.updateStrategy.rollingUpdate',
      spec.updateStrategy.rollingUpdate,
      "only allowed for updateStrategy 'RollingUpdate'",
    );
  problems.nonNegative('spec.ordinals.start', spec.ordinals?.start);
  problems.nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    const policy = spec.persistentVolumeClaimRetentionPolicy?.[field];
    if (policy !== undefined && policy !== 'Retain' && policy !== 'Delete')
      problems.unsupported(`spec.persistentVolumeClaimRetentionPolicy.${field}`, policy, ['Retain', 'Delete']);
  }
  problems.nonNegative('spec.updateStrategy.rollingUpdate.partition', spec.updateStrategy?.rollingUpdate?.partition);
  const template = withClaims(spec);
  checkOwnedTemplate(problems, { selector: spec.selector, ...(template ? { template } : {}) }, 'statefulset');
}

/** Containers may mount what only the claims will bring: each is a volume of the pod by its own name. */
function withClaims({ template, volumeClaimTemplates = [] }: NonNullable<StatefulSet['spec']>): PodTemplateSpec | undefined {
  if (!template?.spec) return template;
  const own = template.spec.volumes ?? [];
  const missing = volumeClaimTemplates.filter(({ metadata }) => !own.some(({ name }) => name === metadata.name));
  const claimed = missing.map(({ metadata }) => ({ name: metadata.name!, persistentVolumeClaim: { claimName: metadata.name! } }));
  return { ...template, spec: { ...template.spec, volumes: [...own, ...claimed] } };
}

export function checkReplicationController(problems: Problems, { spec }: ReplicationController): void {
  if (!spec) return problems.required('spec');
  problems.nonNegative('spec.replicas', spec.replicas);
  problems.nonNegative('spec.minReadySeconds', spec.minReadySeconds);
  const { selector, template } = spec;
  if (!selector || Object.keys(selector).length === 0) problems.required('spec.selector');
  if (!template) return problems.required('spec.template');
  if (selector && !labelSelectorOfMap(selector).matchesLabels(template.metadata?.labels ?? {}))
    problems.invalid('spec.template.metadata.labels', template.metadata?.labels, MISMATCH);
  checkTemplate(problems, 'spec.template', template);
  checkAlways(problems, template);
}

export function checkSelectorUpdate(
  problems: Problems,
  { spec }: { spec?: { selector?: LabelSelector } },
  old: { spec?: { selector?: LabelSelector } },
): void {
  problems.immutable('spec.selector', semanticEqual(spec?.selector, old.spec?.selector), spec?.selector);
}

const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

export function checkStatefulSetUpdate(problems: Problems, { spec }: StatefulSet, old: StatefulSet): void {
  const fixed = (value: StatefulSet['spec']): unknown =>
    Object.fromEntries(Object.entries(value ?? {}).filter(([key]) => !(MUTABLE as readonly string[]).includes(key)));
  if (!semanticEqual(fixed(spec), fixed(old.spec))) {
    problems.forbidden(
      'spec',
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    );
  }
}

/** A selector that selects something, and a template that it selects, whose pods run on. */
function checkOwnedTemplate(
  problems: Problems,
  { selector, template }: { selector?: LabelSelector; template?: PodTemplateSpec },
  kind: string,
): void {
  if (!selector) {
    problems.required('spec.selector');
    // No selector selects nothing, so that it does not select the template either: upstream says both.
    if (template) problems.invalid('spec.template.metadata.labels', template.metadata?.labels, MISMATCH);
  } else if (!selector.matchLabels && !selector.matchExpressions?.length)
    problems.invalid('spec.selector', selector, `empty selector is invalid for ${kind}`);
  else checkSelection(problems, selector, template);
  if (!template) return problems.required('spec.template');
  checkTemplate(problems, 'spec.template', template);
  checkAlways(problems, template);
}

function checkSelection(problems: Problems, selector: LabelSelector, template: PodTemplateSpec | undefined): void {
  const before = problems.found.length;
  checkSelector(problems, 'spec.selector', selector);
  if (problems.found.length > before) return;
  const labels = template?.metadata?.labels;
  if (!labelSelectorOf(selector).matchesLabels(labels ?? {})) problems.invalid('spec.template.metadata.labels', labels, MISMATCH);
}

function checkAlways(problems: Problems, { spec }: PodTemplateSpec): void {
  if (spec?.restartPolicy && spec.restartPolicy !== 'Always')
    problems.unsupported('spec.template.spec.restartPolicy', spec.restartPolicy, ['Always']);
  if (spec?.activeDeadlineSeconds !== undefined)
    problems.forbidden('spec.template.spec.activeDeadlineSeconds', 'activeDeadlineSeconds in ReplicaSet is not Supported');
}

function checkStrategy(problems: Problems, { type, rollingUpdate }: DeploymentStrategy): void {
  const path = 'spec.strategy';
  if (type === 'Recreate') {
    if (rollingUpdate) problems.forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (type !== 'RollingUpdate') return problems.unsupported(`${path}.type`, type ?? '', ['Recreate', 'RollingUpdate']);
  if (!rollingUpdate) return problems.required(`${path}.rollingUpdate`, 'this should be defaulted and never be nil');
  checkCountOrPercent(problems, `${path}.rollingUpdate.maxUnavailable`, rollingUpdate.maxUnavailable, true);
  checkCountOrPercent(problems, `${path}.rollingUpdate.maxSurge`, rollingUpdate.maxSurge);
  if (isZero(rollingUpdate.maxUnavailable) && isZero(rollingUpdate.maxSurge))
    problems.invalid(`${path}.rollingUpdate.maxUnavailable`, rollingUpdate.maxUnavailable, 'may not be 0 when `maxSurge` is 0');
}

/** `3` or `30%`; some percentages may not pass 100. */
export function checkCountOrPercent(problems: Problems, path: string, value: number | string | undefined, atMostAll = false): void {
  if (value === undefined) return;
  if (typeof value === 'number') return problems.nonNegative(path, value);
  if (!/^\d+%$/.test(value)) {
    return problems.invalid(
      path,
      value,
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    );
  }
  if (atMostAll && Number.parseInt(value, 10) > 100) problems.invalid(path, value, 'must not be greater than 100%');
}

function isZero(value: number | string | undefined): boolean {
  return value === undefined || Number.parseInt(String(value), 10) === 0;
}
