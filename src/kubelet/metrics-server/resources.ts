/** metrics.k8s.io/v1beta1 as the API server is told of it: names, schemas, columns. */
import { addQuantities, formatQuantity } from '../../api/codec/quantity.ts';
import { formatDuration } from '../../api/codec/scalars.ts';
import type { ContainerMetrics, NodeMetrics, PodMetrics } from '../../api/metrics.ts';
import { findResource } from '../../api/scheme.ts';
import type { CustomPrinter, Field, ResourceInfo, Schema } from '../../api/schema/schema.ts';
import { column, NAME } from '../../api/table/columns.ts';
import { timestamp } from '../../api/time.ts';
import type { ObjectMeta } from '../../api/types.gen.ts';
import type { Usage } from './sampler.ts';

export const GROUP = 'metrics.k8s.io';
export const VERSION = 'v1beta1';
const DEFINITIONS = 'io.k8s.metrics.pkg.apis.metrics.v1beta1';

export const NODE_METRICS = info('nodes', 'NodeMetrics', false, { usage: required(usageSchema()) });
export const POD_METRICS = info('pods', 'PodMetrics', true, {
  containers: required({ type: 'array', items: containerSchema(), listType: 'atomic' }),
});

/** The object of a node; `now` in milliseconds since the epoch. */
export function nodeMetrics({ name, labels }: ObjectMeta, usage: Usage, now: number): NodeMetrics {
  return { metadata: shownMeta({ name, labels }, now), ...windowOf([usage]), usage: amounts(usage) };
}

/** The object of a pod, its containers by name. */
export function podMetrics({ name, namespace, labels }: ObjectMeta, usages: ReadonlyMap<string, Usage>, now: number): PodMetrics {
  const containers = [...usages]
    .map(([container, usage]): ContainerMetrics => ({ name: container, usage: amounts(usage) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { metadata: shownMeta({ name, namespace, labels }, now), ...windowOf([...usages.values()]), containers };
}

/** `NAME CPU MEMORY WINDOW`, as upstream's metrics-server prints them; of a pod the sum of its containers. */
export const METRICS_PRINTER: CustomPrinter = {
  columns: [NAME, column('cpu'), column('memory'), column('Window')],
  cells: (object) => {
    const { metadata, window, usage, containers } = object as Partial<NodeMetrics & PodMetrics> & { metadata: ObjectMeta };
    const { cpu = '0', memory = '0' } = usage ?? sumOf(containers ?? []);
    return [metadata.name!, cpu, memory, window ?? ''];
  },
};

function sumOf(containers: readonly ContainerMetrics[]): Record<string, string> {
  const total = (resource: string): string => addQuantities(...containers.map(({ usage }) => usage[resource] ?? '0'));
  return { cpu: total('cpu'), memory: total('memory') };
}

function amounts({ cpuNanos, memoryBytes }: Usage): Record<string, string> {
  return {
    cpu: formatQuantity({ nanos: BigInt(cpuNanos), format: 'DecimalSI' }),
    memory: formatQuantity({ nanos: BigInt(Math.round(memoryBytes)) * 1_000_000_000n, format: 'BinarySI' }),
  };
}

/** The metrics of a pod are as old as the oldest of its containers. */
function windowOf(usages: readonly Usage[]): { timestamp: string; window: string } {
  const oldest = usages.reduce((a, b) => (b.at < a.at ? b : a));
  return { timestamp: timestamp(oldest.at), window: formatDuration(BigInt(Math.round(oldest.windowMs)) * 1_000_000n) };
}

function shownMeta(
  { name, namespace, labels }: { name: string | undefined; namespace?: string | undefined; labels: ObjectMeta['labels'] },
  now: number,
): ObjectMeta {
  return { name: name!, ...(namespace ? { namespace } : {}), ...(labels ? { labels } : {}), creationTimestamp: timestamp(now) };
}

function info(resource: string, kind: string, namespaced: boolean, fields: Record<string, Field>): ResourceInfo {
  return {
    group: GROUP,
    version: VERSION,
    resource,
    singular: '',
    kind,
    namespaced,
    shortNames: [],
    categories: [],
    verbs: ['get', 'list'],
    subresources: [],
    storagePrefix: '',
    storageVersion: `${GROUP}/${VERSION}`,
    schema: {
      type: 'object',
      name: `${DEFINITIONS}.${kind}`,
      fields: {
        kind: { schema: { type: 'string' } },
        apiVersion: { schema: { type: 'string' } },
        metadata: findResource('', 'v1', 'pods')!.schema.fields!['metadata']!,
        timestamp: required({ type: 'time' }),
        window: required({ type: 'duration' }),
        ...fields,
      },
    },
    selectableFields: [],
  };
}

function containerSchema(): Schema {
  return {
    type: 'object',
    name: `${DEFINITIONS}.ContainerMetrics`,
    fields: { name: required({ type: 'string' }), usage: required(usageSchema()) },
  };
}

function usageSchema(): Schema {
  return { type: 'map', items: { type: 'quantity' } };
}

function required(schema: Schema): Field {
  return { schema, required: true };
}
