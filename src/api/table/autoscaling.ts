/** HorizontalPodAutoscalers and Scale. */
import type {
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
  V2MetricSpec,
  V2MetricStatus,
  V2MetricTarget,
  V2MetricValueStatus,
} from '../types.gen.ts';
import type { Scale } from '../strategy/scale.ts';
import { AGE, ageOf, column, NAME, UNKNOWN, UNSET } from './columns.ts';
import type { Printer } from './columns.ts';

const COLUMNS = [
  NAME,
  column('Reference'),
  column('Targets'),
  column('MinPods'),
  column('MaxPods'),
  column('Replicas', 'integer'),
  AGE,
] as const;
const METRICS_SHOWN = 2;

export const horizontalPodAutoscalers: Printer<V2HorizontalPodAutoscaler> = {
  columns: COLUMNS,
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const reference = `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`;
    return [
      metadata.name!,
      reference,
      targets(spec?.metrics ?? [], status?.currentMetrics ?? []),
      String(spec?.minReplicas ?? UNSET),
      String(spec?.maxReplicas ?? 0),
      status?.currentReplicas ?? 0,
      ageOf(object, now),
    ];
  },
};

export const horizontalPodAutoscalersV1: Printer<HorizontalPodAutoscaler> = {
  columns: COLUMNS,
  cells: (object, now) => {
    const { metadata, spec, status } = object;
    const wanted = spec?.targetCPUUtilizationPercentage;
    const current = status?.currentCPUUtilizationPercentage;
    const target = wanted === undefined ? '<none>' : `cpu: ${current === undefined ? UNKNOWN : `${current}%`}/${wanted}%`;
    return [
      metadata.name!,
      `${spec?.scaleTargetRef.kind}/${spec?.scaleTargetRef.name}`,
      target,
      String(spec?.minReplicas ?? UNSET),
      String(spec?.maxReplicas ?? 0),
      status?.currentReplicas ?? 0,
      ageOf(object, now),
    ];
  },
};

export const scales: Printer<Scale> = {
  columns: [NAME, column('Desired', 'integer'), column('Available', 'integer'), AGE],
  cells: (object, now) => [object.metadata.name!, object.spec.replicas ?? 0, object.status.replicas, ageOf(object, now)],
};

function targets(specs: readonly V2MetricSpec[], statuses: readonly V2MetricStatus[]): string {
  if (specs.length === 0) return '<none>';
  const shown = specs.slice(0, METRICS_SHOWN).map((spec, index) => metricText(spec, statuses[index]));
  const text = shown.join(', ');
  return specs.length > METRICS_SHOWN ? `${text} + ${specs.length - METRICS_SHOWN} more...` : text;
}

function metricText(spec: V2MetricSpec, status: V2MetricStatus | undefined): string {
  switch (spec.type) {
    case 'Resource':
      return `${spec.resource!.name}: ${valueText(spec.resource!.target, status?.resource?.current)}`;
    case 'ContainerResource':
      return `${spec.containerResource!.name}: ${valueText(spec.containerResource!.target, status?.containerResource?.current)}`;
    case 'External':
      return valueText(spec.external!.target, status?.external?.current);
    case 'Pods':
      return valueText(spec.pods!.target, status?.pods?.current);
    case 'Object':
      return valueText(spec.object!.target, status?.object?.current);
    default:
      return '<unknown type>';
  }
}

function valueText(target: V2MetricTarget, current: V2MetricValueStatus | undefined): string {
  if (target.averageUtilization !== undefined) {
    const now = current?.averageUtilization;
    return `${now === undefined ? UNKNOWN : `${now}%`}/${target.averageUtilization}%`;
  }
  if (target.averageValue !== undefined) return `${current?.averageValue ?? UNKNOWN}/${target.averageValue} (avg)`;
  return `${current?.value ?? UNKNOWN}/${target.value ?? UNKNOWN}`;
}
