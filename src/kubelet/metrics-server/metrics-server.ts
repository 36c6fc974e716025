/** metrics.k8s.io/v1beta1: what nodes and pods use, as their kubelets tell it. `kubectl top` and autoscalers ask. */
import { keyOf, type KubeObject } from '../../api/meta.ts';
import type { CustomPrinter, ResourceInfo } from '../../api/schema/schema.ts';
import { StatusError } from '../../api/status.ts';
import type { Transport } from '../../api/transport.ts';
import type { Node, Pod } from '../../api/types.gen.ts';
import type { Client } from '../../client/client.ts';
import { NODES, PODS } from '../../client/resources.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import type { Logger } from '../../lib/log.ts';
import { GROUP, METRICS_PRINTER, NODE_METRICS, nodeMetrics, POD_METRICS, podMetrics, VERSION } from './resources.ts';
import { Sampler, type Snapshot } from './sampler.ts';

/** What the API server is to serve for us; the shape of its `LocalApi`. */
interface ServedApi {
  group: string;
  version: string;
  groupPriorityMinimum: number;
  versionPriority: number;
  resources: readonly ServedResource[];
}

interface ServedResource {
  info: Omit<ResourceInfo, 'custom'>;
  printer: CustomPrinter;
  get(namespace: string, name: string, signal: AbortSignal): Promise<KubeObject | undefined>;
  list(namespace: string, signal: AbortSignal): Promise<readonly KubeObject[]>;
}

export interface MetricsServerOptions {
  /** Lists nodes and pods: which there are, and their labels. */
  client: Client;
  /** Reaches kubelets through the API server's proxy: over https, since a proxied answer is bytes and has no loopback. */
  proxy: Transport;
  /** Serves the API from now on, until the returned function is called. */
  announce(api: ServedApi): () => void;
  clock: Clock;
  log: Logger;
}

/** As upstream's metrics-server registers itself. */
const PRIORITIES = { groupPriorityMinimum: 100, versionPriority: 100 };

/** Works only while it is asked. */
export function createMetricsServer(options: MetricsServerOptions): Component {
  const { client, announce, clock, log } = options;
  const sampler = new Sampler({
    clock,
    nodes: async (signal) => {
      const { items } = await client.resource(NODES).list({ resourceVersion: '0', signal });
      return items.filter(hasKubelet).map(({ metadata }) => metadata.name!);
    },
    scrape: (node, signal) => scrape(options, node, signal),
    unreachable: (node, error) => log.debug('a kubelet does not tell what is used', { node, error }),
  });
  let withdraw = (): void => undefined;
  return {
    name: 'metrics-server',
    start: async () => {
      const resources = [nodeResource(options, sampler), podResource(options, sampler)];
      withdraw = announce({ group: GROUP, version: VERSION, ...PRIORITIES, resources });
    },
    stop: async () => {
      withdraw();
      sampler.stop();
    },
  };
}

/** Simulated nodes of a fleet have no kubelet and say so by giving no port. */
function hasKubelet({ status }: Node): boolean {
  return (status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0) > 0;
}

async function scrape({ proxy }: MetricsServerOptions, node: string, signal: AbortSignal): Promise<string> {
  const answer = await proxy({ method: 'GET', path: `/api/v1/nodes/${node}/proxy/metrics/resource`, signal });
  if (answer.status !== 200 || answer.text === undefined) throw new Error(`the kubelet of ${node} answered with status ${answer.status}`);
  return answer.text;
}

function nodeResource({ client, clock }: MetricsServerOptions, sampler: Sampler): ServedResource {
  const shown = ({ metadata }: Node, { nodes }: Snapshot): KubeObject | undefined => {
    const usage = nodes.get(metadata.name!);
    return usage && asObject(nodeMetrics(metadata, usage, clock.now()));
  };
  return {
    info: NODE_METRICS,
    printer: METRICS_PRINTER,
    get: async (_namespace, name) => {
      const node = await unlessAbsent(client.resource(NODES).get(name));
      return node && shown(node, await sampler.snapshot());
    },
    list: async (_namespace, signal) => {
      const snapshot = await sampler.snapshot();
      const { items } = await client.resource(NODES).list({ resourceVersion: '0', signal });
      return items.map((node) => shown(node, snapshot)).filter((object) => object !== undefined);
    },
  };
}

function podResource({ client, clock }: MetricsServerOptions, sampler: Sampler): ServedResource {
  const shown = (pod: Pod, { pods }: Snapshot): KubeObject | undefined => {
    const usages = pods.get(keyOf(pod));
    // A pod of which a part is not known yet would look idle.
    const isWhole = usages && runningContainers(pod).every((name) => usages.has(name));
    return isWhole ? asObject(podMetrics(pod.metadata, usages, clock.now())) : undefined;
  };
  return {
    info: POD_METRICS,
    printer: METRICS_PRINTER,
    get: async (namespace, name) => {
      const pod = await unlessAbsent(client.resource(PODS, namespace).get(name));
      return pod && shown(pod, await sampler.snapshot());
    },
    list: async (namespace, signal) => {
      const snapshot = await sampler.snapshot();
      const { items } = await client.resource(PODS, namespace || undefined).list({ resourceVersion: '0', signal });
      return items.map((pod) => shown(pod, snapshot)).filter((object) => object !== undefined);
    },
  };
}

function runningContainers({ status }: Pod): string[] {
  return (status?.containerStatuses ?? []).filter(({ state }) => state?.running).map(({ name }) => name);
}

const asObject = (metrics: object): KubeObject => metrics as KubeObject;

async function unlessAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (StatusError.is(error, 'NotFound')) return undefined;
    throw error;
  }
}
