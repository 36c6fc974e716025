/**
 * autoscaling/v1 knows one metric, the CPU utilisation; whatever else a v2 autoscaler says travels in annotations, in the names that
 * v1 gives to metrics. Upstream's annotations, so that clients of either version see what they would see there.
 */
import type { KubeObject } from '../meta.ts';

type Part = Readonly<Record<string, unknown>>;

const METRICS = 'autoscaling.alpha.kubernetes.io/metrics';
const CURRENT = 'autoscaling.alpha.kubernetes.io/current-metrics';
const CONDITIONS = 'autoscaling.alpha.kubernetes.io/conditions';
const BEHAVIOR = 'autoscaling.alpha.kubernetes.io/behavior';

export function autoscalerToV2(object: KubeObject): KubeObject {
  const { targetCPUUtilizationPercentage: percentage, ...spec } = (object['spec'] ?? {}) as Part;
  const { currentCPUUtilizationPercentage: current, ...status } = (object['status'] ?? {}) as Part;
  const {
    [METRICS]: metrics,
    [CURRENT]: currentMetrics,
    [CONDITIONS]: conditions,
    [BEHAVIOR]: behavior,
    ...annotations
  } = object.metadata.annotations ?? {};
  const targets = [
    ...list(metrics).map((metric) => mapMetric(metric, sourceToV2)),
    ...(percentage === undefined ? [] : [cpuTarget(percentage)]),
  ];
  const observed = [
    ...list(currentMetrics).map((metric) => mapMetric(metric, statusToV2)),
    ...(current === undefined ? [] : [cpuStatus(current)]),
  ];
  return {
    ...object,
    metadata: withAnnotations(object.metadata, annotations),
    spec: { ...spec, ...(targets.length > 0 ? { metrics: targets } : {}), ...(behavior ? { behavior: parse(behavior) } : {}) },
    status: { ...status, currentMetrics: observed.length > 0 ? observed : null, ...(conditions ? { conditions: list(conditions) } : {}) },
  };
}

export function autoscalerFromV2(object: KubeObject): KubeObject {
  const { metrics = [], behavior, ...spec } = (object['spec'] ?? {}) as Part & { metrics?: readonly Part[] };
  const { currentMetrics, conditions, ...status } = (object['status'] ?? {}) as Part & { currentMetrics?: readonly Part[] | null };
  const observed = currentMetrics ?? [];
  const target = metrics.find(isCpuTarget);
  const seen = observed.find((metric) => isCpu(metric) && utilization(metric, 'current') !== undefined);
  const others = metrics.filter((metric) => metric !== target).map((metric) => mapMetric(metric, sourceToV1));
  const annotations: Record<string, string> = { ...object.metadata.annotations };
  if (others.length > 0) annotations[METRICS] = JSON.stringify(others);
  const rest = observed.filter((metric) => metric !== seen);
  if (rest.length > 0) annotations[CURRENT] = JSON.stringify(rest.map((metric) => mapMetric(metric, statusToV1)));
  if (conditions) annotations[CONDITIONS] = JSON.stringify(conditions);
  if (behavior) annotations[BEHAVIOR] = JSON.stringify(behavior);
  return {
    ...object,
    metadata: withAnnotations(object.metadata, annotations),
    spec: { ...spec, ...(target ? { targetCPUUtilizationPercentage: utilization(target, 'target') } : {}) },
    status: { currentReplicas: 0, ...status, ...(seen ? { currentCPUUtilizationPercentage: utilization(seen, 'current') } : {}) },
  };
}

/** autoscaling/v2beta1 knows every metric, by v1's names, and what v2 added to it only as an annotation. */
export function autoscalerBetaToV2(object: KubeObject): KubeObject {
  const { metrics, ...spec } = (object['spec'] ?? {}) as Part & { metrics?: readonly Part[] };
  const { currentMetrics, ...status } = (object['status'] ?? {}) as Part & { currentMetrics?: readonly Part[] | null };
  const { [BEHAVIOR]: behavior, ...annotations } = object.metadata.annotations ?? {};
  return {
    ...object,
    metadata: withAnnotations(object.metadata, annotations),
    spec: {
      ...spec,
      ...(metrics ? { metrics: metrics.map((metric) => mapMetric(metric, sourceToV2)) } : {}),
      ...(behavior ? { behavior: parse(behavior) } : {}),
    },
    ...(object['status']
      ? { status: { ...status, currentMetrics: currentMetrics?.map((metric) => mapMetric(metric, statusToV2)) ?? null } }
      : {}),
  };
}

export function autoscalerBetaFromV2(object: KubeObject): KubeObject {
  const { metrics, behavior, ...spec } = (object['spec'] ?? {}) as Part & { metrics?: readonly Part[] };
  const { currentMetrics, ...status } = (object['status'] ?? {}) as Part & { currentMetrics?: readonly Part[] | null };
  const annotations: Record<string, string> = { ...object.metadata.annotations };
  if (behavior) annotations[BEHAVIOR] = JSON.stringify(behavior);
  return {
    ...object,
    metadata: withAnnotations(object.metadata, annotations),
    spec: { ...spec, ...(metrics ? { metrics: metrics.map((metric) => mapMetric(metric, sourceToV1)) } : {}) },
    status: {
      currentReplicas: 0,
      desiredReplicas: 0,
      ...status,
      currentMetrics: currentMetrics?.map((metric) => mapMetric(metric, statusToV1)) ?? null,
    },
  };
}

function withAnnotations(metadata: KubeObject['metadata'], annotations: Record<string, string>): KubeObject['metadata'] {
  const { annotations: _old, ...rest } = metadata;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // Upstream refuses such an object too.
    throw new RangeError(`an annotation of the autoscaler is not JSON: ${text}`, { cause });
  }
};

function list(text: string | undefined): readonly Part[] {
  const value = text === undefined ? [] : parse(text);
  return Array.isArray(value) ? (value as Part[]) : [];
}

const cpuTarget = (averageUtilization: unknown): Part => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});
const cpuStatus = (averageUtilization: unknown): Part => ({ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization } } });
const isCpu = (metric: Part): boolean => metric['type'] === 'Resource' && (metric['resource'] as Part | undefined)?.['name'] === 'cpu';
const isCpuTarget = (metric: Part): boolean => isCpu(metric) && utilization(metric, 'target') !== undefined;

function utilization(metric: Part, part: 'target' | 'current'): unknown {
  return ((metric['resource'] as Part)[part] as Part | undefined)?.['averageUtilization'];
}

/** Applies `change` to the one source that the metric's type names: `Pods` to `pods`, `ContainerResource` to `containerResource`. */
function mapMetric(metric: Part, change: (source: Part, type: string) => Part): Part {
  const type = String(metric['type']);
  const key = type.charAt(0).toLowerCase() + type.slice(1);
  const source = metric[key] as Part | undefined;
  return source ? { ...metric, [key]: defined(change(source, type)) } : metric;
}

function sourceToV2(source: Part, type: string): Part {
  const { targetAverageUtilization, targetAverageValue, targetValue, averageValue, metricName, metricSelector, selector, target, ...rest } =
    source;
  const aim = targetOf(targetAverageUtilization, targetAverageValue ?? averageValue, targetValue);
  if (metricName === undefined) return { ...rest, target: aim };
  const metric = defined({ name: metricName, selector: metricSelector ?? selector });
  return { ...rest, ...(type === 'Object' ? { describedObject: target } : {}), metric, target: aim };
}

function targetOf(averageUtilization: unknown, averageValue: unknown, value: unknown): Part {
  if (averageUtilization !== undefined) return { type: 'Utilization', averageUtilization };
  if (averageValue !== undefined) return { type: 'AverageValue', averageValue };
  return { type: 'Value', value };
}

function sourceToV1(source: Part, type: string): Part {
  const { target, metric, describedObject, ...rest } = source;
  const { averageUtilization, averageValue, value } = (target ?? {}) as Part;
  const { name, selector } = (metric ?? {}) as Part;
  if (type === 'Object') return { ...rest, target: describedObject, metricName: name, targetValue: value ?? '0', selector, averageValue };
  if (type === 'External')
    return { ...rest, metricName: name, metricSelector: selector, targetValue: value, targetAverageValue: averageValue };
  return { ...rest, metricName: name, selector, targetAverageUtilization: averageUtilization, targetAverageValue: averageValue };
}

function statusToV2(source: Part, type: string): Part {
  const {
    currentAverageUtilization,
    currentAverageValue,
    currentValue,
    averageValue,
    metricName,
    metricSelector,
    selector,
    target,
    ...rest
  } = source;
  const current = defined({
    averageUtilization: currentAverageUtilization,
    averageValue: currentAverageValue ?? averageValue,
    value: currentValue,
  });
  if (metricName === undefined) return { ...rest, current };
  const metric = defined({ name: metricName, selector: metricSelector ?? selector });
  return { ...rest, ...(type === 'Object' ? { describedObject: target } : {}), metric, current };
}

function statusToV1(source: Part, type: string): Part {
  const { current, metric, describedObject, ...rest } = source;
  const { averageUtilization, averageValue, value } = (current ?? {}) as Part;
  const { name, selector } = (metric ?? {}) as Part;
  if (type === 'Object') return { ...rest, target: describedObject, metricName: name, currentValue: value ?? '0', selector, averageValue };
  if (type === 'External')
    return { ...rest, metricName: name, metricSelector: selector, currentValue: value ?? '0', currentAverageValue: averageValue };
  return { ...rest, metricName: name, selector, currentAverageUtilization: averageUtilization, currentAverageValue: averageValue ?? '0' };
}

function defined(part: Part): Part {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
}
