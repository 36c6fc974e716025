/** Use of cpu and memory: `/stats/summary` for people and the summary API, `/metrics/resource` for metrics-server. */
import os from 'node:os';
import type { Pod } from '../../api/types.gen.ts';
import type { AnnotationsOf, ContainerStats } from '../runtime/runtime.ts';
import { type Route, type RouteContext, sendJson } from './route.ts';

export const summary: Route = async ({ response }, context) => {
  const { pods, stats, node } = await read(context);
  const time = (at: number): string => new Date(at).toISOString();
  const usage = (one: ContainerStats): object => ({
    name: one.name,
    cpu: { time: time(one.at), usageCoreNanoSeconds: one.cpuNanoseconds },
    memory: { time: time(one.at), workingSetBytes: one.memoryWorkingSetBytes, rssBytes: one.memoryRssBytes },
  });
  sendJson(response, {
    node: {
      nodeName: context.nodeName,
      cpu: { time: time(node.at), usageCoreNanoSeconds: Math.round(node.cpuSeconds * 1e9) },
      memory: {
        time: time(node.at),
        workingSetBytes: node.memoryBytes,
        availableBytes: context.memoryBytes - node.memoryBytes,
      },
    },
    pods: pods.map(({ metadata: { name, namespace, uid } }) => ({
      podRef: { name, namespace, uid },
      containers: stats.filter((one) => one.podUid === uid).map(usage),
    })),
  });
};

interface Metric {
  name: string;
  type: 'counter' | 'gauge';
  help: string;
  samples: readonly string[];
}

/** Names, types and units are those of upstream's resource metrics endpoint (KEP-2371). */
export const resourceMetrics: Route = async ({ response }, context) => {
  const reading = await read(context);
  const text = resourceSeries(reading).map(
    ({ name, type, help, samples }) =>
      `# HELP ${name} [STABLE] ${help}\n# TYPE ${name} ${type}\n${samples.map((sample) => `${name}${sample}\n`).join('')}`,
  );
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(text.join(''));
};

function resourceSeries({ pods, stats, node }: Reading): Metric[] {
  const byUid = new Map(pods.map((pod) => [pod.metadata.uid!, pod]));
  const known = stats.filter(({ podUid }) => byUid.has(podUid));
  const labels = ({ podUid }: Pick<ContainerStats, 'podUid'>): string => {
    const { name, namespace } = byUid.get(podUid)!.metadata;
    return `namespace="${namespace}",pod="${name}"`;
  };
  const perContainer = (value: (one: ContainerStats) => number | undefined): string[] =>
    known.flatMap((one) => {
      const amount = value(one);
      return amount === undefined ? [] : [`{container="${one.name}",${labels(one)}} ${amount} ${one.at}`];
    });
  const perPod = (value: (one: ContainerStats) => number): string[] =>
    [...Map.groupBy(known, ({ podUid }) => podUid).values()].map(
      (ofPod) => `{${labels(ofPod[0]!)}} ${ofPod.reduce((sum, one) => sum + value(one), 0)} ${Math.max(...ofPod.map(({ at }) => at))}`,
    );
  const cpu = (one: ContainerStats): number => one.cpuNanoseconds / 1e9;
  const memory = (one: ContainerStats): number => one.memoryWorkingSetBytes;
  const startTime = ({ podUid, name }: ContainerStats): string[] => {
    const startedAt = startOf(byUid.get(podUid)!, name);
    return startedAt === undefined ? [] : [`{container="${name}",${labels({ podUid })}} ${startedAt / 1000}`];
  };
  const cpuHelp = 'Cumulative cpu time consumed by the';
  const memoryHelp = 'Current working set of the';
  return [
    {
      name: 'container_cpu_usage_seconds_total',
      type: 'counter',
      help: `${cpuHelp} container in core-seconds`,
      samples: perContainer(cpu),
    },
    { name: 'container_memory_working_set_bytes', type: 'gauge', help: `${memoryHelp} container in bytes`, samples: perContainer(memory) },
    {
      name: 'container_start_time_seconds',
      type: 'gauge',
      help: 'Start time of the container since unix epoch in seconds',
      samples: known.flatMap(startTime),
    },
    {
      name: 'node_cpu_usage_seconds_total',
      type: 'counter',
      help: `${cpuHelp} node in core-seconds`,
      samples: [` ${node.cpuSeconds} ${node.at}`],
    },
    {
      name: 'node_memory_working_set_bytes',
      type: 'gauge',
      help: `${memoryHelp} node in bytes`,
      samples: [` ${node.memoryBytes} ${node.at}`],
    },
    { name: 'pod_cpu_usage_seconds_total', type: 'counter', help: `${cpuHelp} pod in core-seconds`, samples: perPod(cpu) },
    { name: 'pod_memory_working_set_bytes', type: 'gauge', help: `${memoryHelp} pod in bytes`, samples: perPod(memory) },
    {
      name: 'resource_scrape_error',
      type: 'gauge',
      help: '1 if there was an error while getting container metrics, 0 otherwise',
      samples: [' 0'],
    },
  ];
}

interface Reading {
  pods: readonly Pod[];
  stats: readonly ContainerStats[];
  /** `at` in milliseconds since the epoch. */
  node: { cpuSeconds: number; memoryBytes: number; at: number };
}

async function read({ pods, runtime, clock, memoryBytes }: RouteContext): Promise<Reading> {
  const own = pods.pods();
  const annotations = new Map(own.map(({ metadata }) => [metadata.uid, metadata.annotations]));
  const annotationsOf: AnnotationsOf = (uid) => annotations.get(uid);
  const stats = await runtime.stats(annotationsOf);
  const told = await runtime.nodeStats?.(annotationsOf);
  const use = told ? { cpuSeconds: told.cpuNanoseconds / 1e9, memoryBytes: told.memoryWorkingSetBytes } : machineUse(memoryBytes);
  return { pods: own, stats, node: { ...use, at: Math.round(clock.now()) } };
}

/** Milliseconds since the epoch, to the second; undefined while it is not known to run. */
function startOf({ status }: Pod, container: string): number | undefined {
  const all = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const startedAt = all.find(({ name }) => name === container)?.state?.running?.startedAt;
  return startedAt === undefined ? undefined : Date.parse(startedAt);
}

function machineUse(memoryBytes: number): { cpuSeconds: number; memoryBytes: number } {
  const busy = os.cpus().reduce((total, { times }) => total + times.user + times.sys + times.nice + times.irq, 0);
  return { cpuSeconds: busy / 1000, memoryBytes: Math.max(0, memoryBytes - os.freemem()) };
}
