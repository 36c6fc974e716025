/** Deployments, DaemonSets, ReplicaSets and StatefulSets as extensions/v1beta1 and apps/v1beta1 had them. */
import type { KubeObject } from '../meta.ts';
import type { LegacyRules } from '../schema/schema.ts';
import type { DaemonSet, Deployment, LabelSelector, PodTemplateSpec, StatefulSet } from '../types.gen.ts';

type Shape = Omit<LegacyRules, 'warning'>;

/** What stands for "no limit": these versions had none, and the stored one has defaults. */
const NO_LIMIT = 2 ** 31 - 1;
/** Where what only these versions have a field for is kept, under upstream's names. */
const ROLLBACK_TO = 'deprecated.deployment.rollback.to';
const TEMPLATE_GENERATION = 'deprecated.daemonset.template.generation';

export const EXTENSIONS_DEPLOYMENT: Shape = {
  orphansByDefault: true,
  applyDefaults: (object) => {
    labelsFromTemplate(object);
    const { spec } = object as unknown as Deployment;
    if (!spec) return;
    rolling(spec, 1, 1);
    spec.progressDeadlineSeconds ??= NO_LIMIT;
    spec.revisionHistoryLimit ??= NO_LIMIT;
  },
  toStorage: rollbackToStorage,
  fromStorage: rollbackFromStorage,
};

export const APPS_V1BETA1_DEPLOYMENT: Shape = {
  orphansByDefault: true,
  applyDefaults: (object) => {
    labelsFromTemplate(object);
    const { spec } = object as unknown as Deployment;
    if (spec) spec.revisionHistoryLimit ??= 2;
  },
  toStorage: rollbackToStorage,
  fromStorage: rollbackFromStorage,
};

export const APPS_V1BETA1_STATEFUL_SET: Shape = {
  orphansByDefault: true,
  applyDefaults: (object) => {
    labelsFromTemplate(object);
    updatedOnDelete((object as unknown as StatefulSet).spec);
  },
};

export const EXTENSIONS_DAEMON_SET: Shape = {
  orphansByDefault: true,
  applyDefaults: (object) => {
    labelsFromTemplate(object);
    updatedOnDelete((object as unknown as DaemonSet).spec);
  },
  toStorage: (object) => {
    if (!object['spec']) return { ...object };
    const { templateGeneration, ...spec } = object['spec'] as Record<string, unknown>;
    return withAnnotation(
      { ...object, spec },
      TEMPLATE_GENERATION,
      templateGeneration === undefined ? undefined : Number(templateGeneration),
    );
  },
  fromStorage: (object) => {
    const generation = object.metadata.annotations?.[TEMPLATE_GENERATION];
    if (generation === undefined || !/^\d+$/.test(generation)) return { ...object };
    const spec = { ...(object['spec'] as object), templateGeneration: Number(generation) };
    return withAnnotation({ ...object, spec }, TEMPLATE_GENERATION, undefined);
  },
};

export const EXTENSIONS_REPLICA_SET: Shape = { orphansByDefault: true, applyDefaults: labelsFromTemplate };

/** apps/v1beta2 had today's defaults already. */
export const APPS_V1BETA2: Shape = { orphansByDefault: true };

interface Workload {
  selector?: LabelSelector;
  template?: PodTemplateSpec;
}

/** A selector and labels that nobody gave are the pods' labels; upstream dropped this because the selector then changed with the template. */
function labelsFromTemplate(object: KubeObject): void {
  const spec = object['spec'] as Workload | undefined;
  const labels = spec?.template?.metadata?.labels;
  if (!spec || !labels) return;
  spec.selector ??= { matchLabels: { ...labels } };
  if (Object.keys(object.metadata.labels ?? {}).length === 0) object.metadata.labels = { ...labels };
}

function rolling(spec: NonNullable<Deployment['spec']>, maxUnavailable: number, maxSurge: number): void {
  spec.strategy ??= {};
  spec.strategy.type ||= 'RollingUpdate';
  if (spec.strategy.type !== 'RollingUpdate') return;
  spec.strategy.rollingUpdate ??= {};
  spec.strategy.rollingUpdate.maxUnavailable ??= maxUnavailable;
  spec.strategy.rollingUpdate.maxSurge ??= maxSurge;
}

function updatedOnDelete(spec: { updateStrategy?: { type?: string } } | undefined): void {
  if (!spec) return;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= 'OnDelete';
}

function rollbackToStorage(object: KubeObject): KubeObject {
  if (!object['spec']) return { ...object };
  const { rollbackTo, ...spec } = object['spec'] as { rollbackTo?: { revision?: number } };
  return withAnnotation({ ...object, spec }, ROLLBACK_TO, rollbackTo && (rollbackTo.revision ?? 0));
}

function rollbackFromStorage(object: KubeObject): KubeObject {
  const revision = object.metadata.annotations?.[ROLLBACK_TO];
  if (revision === undefined || !/^\d+$/.test(revision)) return { ...object };
  const spec = { ...(object['spec'] as object), rollbackTo: { revision: Number(revision) } };
  return withAnnotation({ ...object, spec }, ROLLBACK_TO, undefined);
}

function withAnnotation(object: KubeObject, name: string, value: number | undefined): KubeObject {
  const { [name]: before, ...others } = object.metadata.annotations ?? {};
  if (before === undefined && value === undefined) return object;
  const annotations = value === undefined ? others : { ...others, [name]: String(value) };
  const { annotations: _old, ...metadata } = object.metadata;
  return { ...object, metadata: Object.keys(annotations).length > 0 ? { ...metadata, annotations } : metadata };
}
