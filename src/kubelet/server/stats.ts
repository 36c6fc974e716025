/** Use of cpu and memory: `/stats/summary` for people and the summary API, `/metrics/resource` for metrics-server. */
import os from 'node:os';
import type { ContainerStats } from '../runtime/runtime.ts';
import { type Route, type RouteContext, sendJson } from './route.ts';

export const summary: Route = async ({ response }, context) => {
  const stats = await context.runtime.stats();
  const time = (at: number): string => new Date(at).toISOString();
  const usage = (one: ContainerStats): object => ({
    name: one.name,
    cpu: { time: time(one.at), usageCoreNanoSeconds: one.cpuNanoseconds },
    memory: { time: time(one.at), workingSetBytes: one.memoryWorkingSetBytes, rssBytes: one.memoryRssBytes },
  });
  const node = nodeUse(context);
  sendJson(response, {
    node: {
      nodeName: context.nodeName,
      cpu: { time: time(context.clock.now()), usageCoreNanoSeconds: Math.round(node.cpuSeconds * 1e9) },
      memory: {
        time: time(context.clock.now()),
        workingSetBytes: node.memoryBytes,
        availableBytes: context.memoryBytes - node.memoryBytes,
      },
    },
    pods: context.pods.pods().map(({ metadata: { name, namespace, uid } }) => ({
      podRef: { name, namespace, uid },
      containers: stats.filter((one) => one.podUid === uid).map(usage),
    })),
  });
};

export const resourceMetrics: Route = async ({ response }, context) => {
  const stats = await context.runtime.stats();
  const pods = new Map(context.pods.pods().map((pod) => [pod.metadata.uid!, pod.metadata]));
  const lines: string[] = [];
  const node = nodeUse(context);
  const metric = (name: string, type: string, samples: readonly string[]): void =>
    void lines.push(`# TYPE ${name} ${type}`, ...samples.map((sample) => `${name}${sample}`));
  const perContainer = (value: (one: ContainerStats) => number): string[] =>
    stats.flatMap((one) => {
      const pod = pods.get(one.podUid);
      return pod ? [`{container="${one.name}",namespace="${pod.namespace}",pod="${pod.name}"} ${value(one)} ${one.at}`] : [];
    });
  metric(
    'container_cpu_usage_seconds_total',
    'counter',
    perContainer((one) => one.cpuNanoseconds / 1e9),
  );
  metric(
    'container_memory_working_set_bytes',
    'gauge',
    perContainer((one) => one.memoryWorkingSetBytes),
  );
  metric('node_cpu_usage_seconds_total', 'counter', [` ${node.cpuSeconds}`]);
  metric('node_memory_working_set_bytes', 'gauge', [` ${node.memoryBytes}`]);
  metric('resource_scrape_error', 'gauge', [' 0']);
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(`${lines.join('\n')}\n`);
};

function nodeUse({ memoryBytes }: RouteContext): { cpuSeconds: number; memoryBytes: number } {
  const busy = os.cpus().reduce((total, { times }) => total + times.user + times.sys + times.nice + times.irq, 0);
  return { cpuSeconds: busy / 1000, memoryBytes: Math.max(0, memoryBytes - os.freemem()) };
}
