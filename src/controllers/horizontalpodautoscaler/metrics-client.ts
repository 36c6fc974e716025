/**
 * What the metrics APIs say, as numbers. Amounts are in thousandths (milli) of the metric's unit, as the calculation has them; errors are
 * worded as people find them in an autoscaler's conditions.
 */
import { cpuMillis as milliOf } from '../../api/codec/quantity.ts';
import { parseDuration } from '../../api/codec/scalars.ts';
import type { ExternalMetricValue, MetricValue, PodMetrics } from '../../api/metrics.ts';
import { type LabelSelector, formatLabelSelector } from '../../api/selectors.ts';
import { StatusError } from '../../api/status.ts';
import type { V2CrossVersionObjectReference, V2MetricIdentifier } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { wordsOf } from './words.ts';

/** What a pod used on average over `windowMs` before `at` (milliseconds since the epoch). */
export interface PodMetric {
  milli: number;
  at: number;
  windowMs: number;
}

/** By the names of pods. */
export type PodMetricsByName = Map<string, PodMetric>;

/** Where a custom metric is to be looked up: the resource of the object it describes, `services` or `deployments.apps`. */
export interface DescribedObject {
  reference: V2CrossVersionObjectReference;
  groupResource: string;
}

export interface MetricsClient {
  /** metrics.k8s.io, of whole pods or of the container of this name. Pods that have no value for the resource are left out. */
  resource(resource: string, namespace: string, selector: LabelSelector, container: string, signal: AbortSignal): Promise<PodMetricsByName>;
  /** custom.metrics.k8s.io, of each pod. */
  pods(metric: V2MetricIdentifier, namespace: string, selector: LabelSelector, signal: AbortSignal): Promise<PodMetricsByName>;
  /** custom.metrics.k8s.io, of one object. */
  object(metric: V2MetricIdentifier, namespace: string, described: DescribedObject, signal: AbortSignal): Promise<number>;
  /** external.metrics.k8s.io, every series that the metric's selector finds. */
  external(metric: V2MetricIdentifier, namespace: string, signal: AbortSignal): Promise<number[]>;
}

/** The window of a custom metric that names none. */
const DEFAULT_WINDOW_MS = 60_000;
/** A metrics server that takes longer holds up one autoscaler, not all of them for ever. */
const ANSWER_MS = 30_000;
/** In order of preference. */
const CUSTOM_VERSIONS = ['v1beta2', 'v1beta1'] as const;

export function createMetricsClient(client: Client): MetricsClient {
  const list = async <T>(path: string, what: string, signal: AbortSignal): Promise<T[]> => {
    const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    try {
      const { body } = await client.request({ method: 'GET', path, signal: within });
      return (body as { items?: T[] }).items ?? [];
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(reworded(error, what), { cause: error });
    }
  };
  return {
    resource: async (resource, namespace, selector, container, signal) => {
      const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods${query({ labelSelector: formatLabelSelector(selector) })}`;
      const items = await named('resource', list<PodMetrics>(path, 'get pods.metrics.k8s.io', signal));
      return container ? ofContainer(items, resource, container) : ofPods(items, resource);
    },
    pods: async (metric, namespace, selector, signal) => {
      const of = `namespaces/${namespace}/pods/*/${encodeURIComponent(metric.name)}`;
      const items = await named(
        'custom',
        customMetrics(list, `${of}${query({ labelSelector: formatLabelSelector(selector), ...metricSelector(metric) })}`, signal),
      );
      return new Map(items.map((item) => [item.describedObject.name ?? '', valueOf(item)]));
    },
    object: async (metric, namespace, { reference, groupResource }, signal) => {
      const of =
        reference.kind === 'Namespace'
          ? `namespaces/${reference.name}/metrics/${encodeURIComponent(metric.name)}`
          : `namespaces/${namespace}/${groupResource}/${reference.name}/${encodeURIComponent(metric.name)}`;
      const items = await named('custom', customMetrics(list, `${of}${query(metricSelector(metric))}`, signal));
      return milliOf(items[0]!.value);
    },
    external: async (metric, namespace, signal) => {
      const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/${encodeURIComponent(metric.name)}`;
      const labelSelector = formatLabelSelector(metric.selector);
      const items = await named(
        'external',
        list<ExternalMetricValue>(`${path}${query({ labelSelector })}`, `get ${metric.name}.external.metrics.k8s.io`, signal),
      );
      return items.map(({ value }) => milliOf(value));
    },
  };
}

/** An adapter serves one version or both. The error that counts is the one of the version that exists. */
async function customMetrics(
  list: <T>(path: string, what: string, signal: AbortSignal) => Promise<T[]>,
  path: string,
  signal: AbortSignal,
): Promise<MetricValue[]> {
  const [newer, older] = CUSTOM_VERSIONS.map((version) => `/apis/custom.metrics.k8s.io/${version}/${path}`);
  const what = `get ${path.split('?')[0]!.split('/').at(-1)}.custom.metrics.k8s.io`;
  try {
    return await list<MetricValue>(newer!, what, signal);
  } catch (error) {
    if (!(error instanceof Error) || !StatusError.is(error.cause, 'NotFound') || error.cause.status.details?.name) throw error;
    return list<MetricValue>(older!, what, signal);
  }
}

async function named<T>(api: 'resource' | 'custom' | 'external', items: Promise<T[]>): Promise<T[]> {
  let found: T[];
  try {
    found = await items;
  } catch (error) {
    throw new Error(`unable to fetch metrics from ${api} metrics API: ${wordsOf(error)}`, { cause: error });
  }
  if (found.length === 0) throw new Error(`no metrics returned from ${api} metrics API`);
  return found;
}

/** As client-go words answers that speak of no object: nobody serves the API, or its server is down. */
function reworded(error: unknown, what: string): string {
  const speaksOfObject = error instanceof StatusError && error.status.details?.kind;
  if (StatusError.is(error, 'NotFound') && !speaksOfObject) return `the server could not find the requested resource (${what})`;
  if (StatusError.is(error, 'ServiceUnavailable') && !speaksOfObject)
    return `the server is currently unable to handle the request (${what})`;
  return wordsOf(error);
}

const windowMs = (duration: string): number => Number(parseDuration(duration)) / 1e6;

function ofPods(items: readonly PodMetrics[], resource: string): PodMetricsByName {
  const result: PodMetricsByName = new Map();
  for (const item of items) {
    const amounts = item.containers.map(({ usage }) => usage[resource]);
    if (amounts.some((amount) => amount === undefined)) continue;
    result.set(item.metadata.name!, {
      milli: amounts.reduce((sum, amount) => sum + milliOf(amount!), 0),
      at: Date.parse(item.timestamp),
      windowMs: windowMs(item.window),
    });
  }
  return result;
}

function ofContainer(items: readonly PodMetrics[], resource: string, name: string): PodMetricsByName {
  const result: PodMetricsByName = new Map();
  for (const { metadata, containers, timestamp, window } of items) {
    const container = containers.find((each) => each.name === name);
    if (!container) throw new Error(`container ${name} not present in metrics for pod ${metadata.namespace}/${metadata.name}`);
    const amount = container.usage[resource];
    if (amount !== undefined) result.set(metadata.name!, { milli: milliOf(amount), at: Date.parse(timestamp), windowMs: windowMs(window) });
  }
  return result;
}

function valueOf({ value, timestamp, windowSeconds }: MetricValue): PodMetric {
  return {
    milli: milliOf(value),
    at: Date.parse(timestamp),
    windowMs: windowSeconds === undefined ? DEFAULT_WINDOW_MS : windowSeconds * 1000,
  };
}

function metricSelector({ selector }: V2MetricIdentifier): Record<string, string> {
  return { metricLabelSelector: formatLabelSelector(selector) };
}

function query(parameters: Readonly<Record<string, string>>): string {
  const given = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''));
  return given.size > 0 ? `?${given.toString()}` : '';
}
