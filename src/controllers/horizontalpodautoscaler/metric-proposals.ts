/** What each metric of an autoscaler asks for, and what is told of it in the status. */
import { cpuMillis as milliOf, formatQuantity } from '../../api/codec/quantity.ts';
import type { LabelSelector } from '../../api/selectors.ts';
import type {
  LabelSelector as SelectorSpec,
  V2MetricIdentifier,
  V2MetricSpec,
  V2MetricStatus,
  V2MetricTarget,
  V2MetricValueStatus,
} from '../../api/types.gen.ts';
import type { MetricsClient } from './metrics-client.ts';
import { byAmount, byRatio, byShare, byUtilization, type Proposal, type Scene } from './replica-calculator.ts';
import type { ScaleTargets } from './scale-target.ts';
import { wordsOf } from './words.ts';

export interface MetricScene extends Scene {
  namespace: string;
  selector: LabelSelector;
  /** Replicas that the target says it has, which may be behind `currentReplicas`, what it asks for. */
  statusReplicas: number;
  signal: AbortSignal;
}

export interface MetricProposal {
  replicas: number;
  /** As it is named in events, `cpu resource utilization (percentage of request)`. */
  name: string;
  status: V2MetricStatus;
}

export interface MetricSources {
  metrics: MetricsClient;
  targets: ScaleTargets;
}

/** Why a metric gives no proposal: `reason` for the condition and the event, `why` for both, and the whole for the sum of all metrics. */
export class MetricError extends Error {
  override name = 'MetricError';
  readonly reason: string;
  readonly why: string;

  constructor(reason: string, why: string, whole: string, cause?: unknown) {
    super(whole, { cause });
    this.reason = reason;
    this.why = why;
  }
}

/** Throws MetricError. */
export async function propose(sources: MetricSources, spec: V2MetricSpec, scene: MetricScene): Promise<MetricProposal> {
  const source = sourceOf(spec);
  if (!source) {
    const why = `unknown metric source type ${JSON.stringify(spec.type)}`;
    throw new MetricError('InvalidMetricSourceType', why, why);
  }
  try {
    return await source.propose(sources, scene);
  } catch (error) {
    scene.signal.throwIfAborted();
    const why = wordsOf(error);
    throw new MetricError(source.reason, why, `failed to get ${source.what} value: ${why}`, error);
  }
}

interface Source {
  reason: string;
  what: string;
  propose(sources: MetricSources, scene: MetricScene): Promise<MetricProposal>;
}

function sourceOf(spec: V2MetricSpec): Source | undefined {
  if (spec.type === 'Resource' && spec.resource) return resourceSource(spec.resource);
  if (spec.type === 'ContainerResource' && spec.containerResource) return containerSource(spec.containerResource);
  if (spec.type === 'Pods' && spec.pods) return podsSource(spec.pods);
  if (spec.type === 'Object' && spec.object) return objectSource(spec.object);
  if (spec.type === 'External' && spec.external) return externalSource(spec.external);
  return undefined;
}

function resourceSource({ name, target }: NonNullable<V2MetricSpec['resource']>): Source {
  return {
    reason: 'FailedGetResourceMetric',
    what: `${name} resource metric`,
    propose: async (sources, scene) => {
      const { current, percentage, replicas } = await ofResource(sources, scene, { name, container: '', target });
      return {
        replicas,
        name: percentage ? `${name} resource utilization (percentage of request)` : `${name} resource`,
        status: { type: 'Resource', resource: { name, current } },
      };
    },
  };
}

function containerSource({ name, container, target }: NonNullable<V2MetricSpec['containerResource']>): Source {
  return {
    reason: 'FailedGetContainerResourceMetric',
    what: `${container} container metric`,
    propose: async (sources, scene) => {
      const { current, percentage, replicas } = await ofResource(sources, scene, { name, container, target });
      return {
        replicas,
        name: percentage ? `${name} container resource utilization (percentage of request)` : `${name} container resource`,
        status: { type: 'ContainerResource', containerResource: { name, container, current } },
      };
    },
  };
}

async function ofResource(
  { metrics }: MetricSources,
  scene: MetricScene,
  { name, container, target }: { name: string; container: string; target: V2MetricTarget },
): Promise<{ replicas: number; current: V2MetricValueStatus; percentage: boolean }> {
  const { averageValue, averageUtilization } = target;
  if (averageValue === undefined && averageUtilization === undefined)
    throw new Error('invalid resource metric source: neither an average utilization target nor an average value (usage) target was set');
  const what = averageValue === undefined ? 'utilization' : 'usage';
  try {
    const read = metrics.resource(name, scene.namespace, scene.selector, container, scene.signal);
    const values = await prefixed(`unable to get metrics for resource ${name}`, read);
    const { replicas, milli, utilization }: Proposal =
      averageValue === undefined
        ? byUtilization(scene, values, { percent: averageUtilization!, resource: name, container })
        : byAmount(scene, values, { target: milliOf(averageValue), resource: name });
    const current = { averageValue: quantity(milli), ...(utilization === undefined ? {} : { averageUtilization: utilization }) };
    return { replicas, current, percentage: averageValue === undefined };
  } catch (error) {
    throw new Error(`failed to get ${name} ${what}: ${wordsOf(error)}`, { cause: error });
  }
}

function podsSource({ metric, target }: NonNullable<V2MetricSpec['pods']>): Source {
  return {
    reason: 'FailedGetPodsMetric',
    what: 'pods metric',
    propose: async ({ metrics }, scene) => {
      const read = metrics.pods(metric, scene.namespace, scene.selector, scene.signal);
      const values = await prefixed(`unable to get metric ${metric.name}`, read);
      const { replicas, milli } = byAmount(scene, values, { target: milliOf(target.averageValue ?? '0'), resource: '' });
      const current = { averageValue: quantity(milli) };
      return { replicas, name: `pods metric ${metric.name}`, status: { type: 'Pods', pods: { metric, current } } };
    },
  };
}

function objectSource({ metric, target, describedObject }: NonNullable<V2MetricSpec['object']>): Source {
  return {
    reason: 'FailedGetObjectMetric',
    what: 'object metric',
    propose: async ({ metrics, targets }, scene) => {
      const { value, averageValue } = target;
      if (value === undefined && averageValue === undefined)
        throw new Error('invalid object metric source: neither a value target nor an average value target was set');
      const read = async (): Promise<number> => {
        const groupResource = describedObject.kind === 'Namespace' ? 'namespaces' : await targets.groupResource(describedObject);
        return metrics.object(metric, scene.namespace, { reference: describedObject, groupResource }, scene.signal);
      };
      // The order of the words is upstream's.
      const where = `unable to get metric ${metric.name}: ${describedObject.kind} on ${scene.namespace} ${describedObject.name}/`;
      const milli = await prefixed(where, read(), '');
      const { replicas, current, isTotal } = towards(target, milli, scene);
      const name = isTotal ? `${describedObject.kind} metric ${metric.name}` : externalName(metric);
      return { replicas, name, status: { type: 'Object', object: { describedObject, metric, current } } };
    },
  };
}

function externalSource({ metric, target }: NonNullable<V2MetricSpec['external']>): Source {
  return {
    reason: 'FailedGetExternalMetric',
    what: `${metric.name} external metric`,
    propose: async ({ metrics }, scene) => {
      const { value, averageValue } = target;
      if (value === undefined && averageValue === undefined)
        throw new Error('invalid external metric source: neither a value target nor an average value target was set');
      const read = metrics.external(metric, scene.namespace, scene.signal);
      const where = `failed to get ${metric.name} external metric: unable to get external metric ${scene.namespace}/${metric.name}/${selectorText(metric.selector)}`;
      const milli = (await prefixed(where, read)).reduce((sum, each) => sum + each, 0);
      const { replicas, current } = towards(target, milli, scene);
      return { replicas, name: externalName(metric), status: { type: 'External', external: { metric, current } } };
    },
  };
}

/** One value for the whole: a share for each pod where the target is an average, else all of it. */
function towards(
  { averageValue, value }: V2MetricTarget,
  milli: number,
  scene: MetricScene,
): { replicas: number; current: V2MetricValueStatus; isTotal: boolean } {
  if (value !== undefined) {
    const { replicas } = byRatio(scene, milli, milliOf(value));
    return { replicas, current: { value: quantity(milli) }, isTotal: true };
  }
  const share = byShare({ ...scene, currentReplicas: scene.statusReplicas }, milli, milliOf(averageValue!));
  return { replicas: share.replicas, current: { averageValue: quantity(share.milli) }, isTotal: false };
}

async function prefixed<T>(what: string, work: Promise<T>, separator = ': '): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${what}${separator}${wordsOf(error)}`, { cause: error });
  }
}

const externalName = ({ name, selector }: V2MetricIdentifier): string => `external metric ${name}(${selectorText(selector)})`;

/** A label selector as Go's generated String method prints it. */
function selectorText(selector: SelectorSpec | undefined): string {
  if (!selector) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`);
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) => `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}

function quantity(milli: number): string {
  return formatQuantity({ nanos: BigInt(milli) * 1_000_000n, format: 'DecimalSI' });
}
