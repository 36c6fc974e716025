/** A Deployment on nodes that only exist as objects: how long until all pods are made, have a node, and are gone again. */
import { benchCluster, type DriverName } from './cluster.ts';
import { type ApiCaller, apiCaller } from './http.ts';
import type { Figure } from './measure.ts';
import { median } from './measure.ts';

const TIMEOUT_MS = 120_000;
const CAPACITY = { cpu: '64', memory: '256Gi', pods: '1000', 'ephemeral-storage': '500Gi' };
/** Kubernetes 1.20 with client limits lifted, ms: created, scheduled, deleted. */
const REFERENCE: Record<number, [number, number, number]> = { 100: [268, 342, 261], 1000: [1927, 2319, 1878] };

interface Sizes {
  replicas: number;
  nodes: number;
}

export async function benchPipeline(driver: DriverName, runs: number, sizes: readonly Sizes[]): Promise<Figure[]> {
  const cluster = await benchCluster(driver, 'bench-pipeline');
  const caller = apiCaller(cluster.connection);
  const figures: Figure[] = [];
  try {
    for (const { replicas, nodes } of sizes) {
      await makeNodes(caller, nodes);
      const results: number[][] = [];
      for (let run = 0; run < runs; run++) results.push(await oneRun(caller, { namespace: `pipe-${replicas}-${run}`, replicas }));
      const reference = REFERENCE[replicas];
      for (const [index, what] of ['all created', 'all scheduled', 'all deleted'].entries()) {
        const values = results.map((result) => result[index]!);
        const note = reference ? `${(reference[index]! / median(values)).toFixed(1)}× the reference` : '';
        figures.push({
          name: `${driver}: ${replicas} pods on ${nodes} nodes, ${what}`,
          values,
          unit: 'ms',
          reference: reference ? `${reference[index]} ms` : '',
          aim: '3×',
          note,
        });
      }
    }
  } finally {
    caller.close();
    await cluster.remove();
  }
  return figures;
}

async function makeNodes(caller: ApiCaller, count: number): Promise<void> {
  const now = new Date().toISOString().replace(/\.\d+/, '');
  for (let index = 0; index < count; index++) {
    const name = `fake-${String(index).padStart(4, '0')}`;
    await caller.call('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, bench: 'yes' } },
    });
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '', lastHeartbeatTime: now, lastTransitionTime: now },
    ];
    await caller.call(
      'PATCH',
      `/api/v1/nodes/${name}/status`,
      { status: { capacity: CAPACITY, allocatable: CAPACITY, conditions } },
      { type: 'application/strategic-merge-patch+json' },
    );
  }
  const until = performance.now() + 30_000;
  for (;;) {
    const { text } = await caller.call('GET', '/api/v1/nodes?labelSelector=bench%3Dyes', undefined, { keep: true });
    const { items } = JSON.parse(text) as { items: { spec: { taints?: unknown[] } }[] };
    if (items.length >= count && items.every(({ spec }) => !spec.taints?.length)) return;
    if (performance.now() > until) throw new Error('the nodes keep their not-ready taints');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function oneRun(caller: ApiCaller, { namespace, replicas }: { namespace: string; replicas: number }): Promise<number[]> {
  await caller.call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await untilFound(caller, `/api/v1/namespaces/${namespace}/serviceaccounts/default`);
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const seen = new Map<string, boolean>();
  const created = new Moment().begin();
  const scheduled = new Moment().begin();
  const deleted = new Moment();
  let rest = '';
  const close = await caller.watch(`${pods}?watch=true&resourceVersion=0`, (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const { type, object } = JSON.parse(line) as { type: string; object: { metadata: { name: string }; spec: { nodeName?: string } } };
      if (type === 'DELETED') seen.delete(object.metadata.name);
      else seen.set(object.metadata.name, Boolean(object.spec.nodeName));
    }
    if (seen.size === replicas) created.come();
    if (seen.size === replicas && [...seen.values()].every(Boolean)) scheduled.come();
    if (seen.size === 0) deleted.come();
  });
  try {
    const labels = { app: 'pipe' };
    const container = { name: 'c', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '10m', memory: '16Mi' } } };
    const affinity = { nodeSelector: { bench: 'yes' } };
    const spec = {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, ...affinity, containers: [container] } },
    };
    const began = performance.now();
    await caller.call('POST', deployments, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec });
    const times = [(await created.at) - began, (await scheduled.at) - began];
    deleted.begin();
    const from = performance.now();
    await caller.call('DELETE', `${deployments}/d?propagationPolicy=Background`);
    return [...times, (await deleted.at) - from];
  } finally {
    close();
    await caller.call('DELETE', `/api/v1/namespaces/${namespace}`);
  }
}

/** A moment that may be awaited once it is begun; rejects when it does not come in time. */
class Moment {
  #deferred: PromiseWithResolvers<number> | undefined;
  #timer: NodeJS.Timeout | undefined;

  begin(): this {
    this.#deferred = Promise.withResolvers<number>();
    this.#timer = setTimeout(() => this.#deferred!.reject(new Error(`not within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    return this;
  }

  come(): void {
    clearTimeout(this.#timer);
    this.#deferred?.resolve(performance.now());
  }

  get at(): Promise<number> {
    return this.#deferred!.promise;
  }
}

async function untilFound(caller: ApiCaller, path: string): Promise<void> {
  const until = performance.now() + 10_000;
  while ((await caller.call('GET', path)).status !== 200) {
    if (performance.now() > until) throw new Error(`${path} did not appear`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
