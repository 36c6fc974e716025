/**
 * Many simulated nodes and pods: Deployments one after the other, each until all of its pods are Ready. What a pod costs must not grow with the
 * pods that are there already; the clock of a shared machine says less of that than the node's CPU time.
 */
import { benchCluster } from './cluster.ts';
import { apiCaller, type ApiCaller } from './http.ts';
import { cpuSeconds, type Figure, pssMiB } from './measure.ts';

const TIMEOUT_MS = 300_000;

export interface ScaleSizes {
  nodes: number;
  /** Of each Deployment. */
  replicas: number;
  deployments: number;
}

interface Step {
  seconds: number;
  cpuMsPerPod: number;
  memoryMiB: number;
}

export async function benchScale({ nodes, replicas, deployments }: ScaleSizes): Promise<Figure[]> {
  const cluster = await benchCluster('sim', 'bench-scale', ['--sim-nodes', String(nodes)]);
  const caller = apiCaller(cluster.connection);
  try {
    const pid = await cluster.nodePid();
    await untilReadyNodes(caller, nodes);
    const steps: Step[] = [];
    const ready = await watchReady(caller);
    for (let index = 0; index < deployments; index++) {
      const name = `scale-${index}`;
      const cpu = cpuSeconds(pid);
      const began = performance.now();
      const all = ready(name, replicas);
      await caller.call('POST', '/apis/apps/v1/namespaces/default/deployments', deployment(name, replicas));
      await all;
      steps.push({
        seconds: (performance.now() - began) / 1000,
        cpuMsPerPod: ((cpuSeconds(pid) - cpu) * 1000) / replicas,
        memoryMiB: pssMiB(pid),
      });
    }
    return figuresOf(steps, { nodes, replicas, deployments });
  } finally {
    caller.close();
    await cluster.remove();
  }
}

function figuresOf(steps: readonly Step[], { nodes, replicas, deployments }: ScaleSizes): Figure[] {
  const name = `sim: ${replicas * deployments} pods on ${nodes} nodes`;
  const [first, last] = [steps[0]!, steps.at(-1)!];
  const total = steps.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    { name: `${name}, create to Running`, values: [(replicas * deployments) / total], unit: 'pods/s', aim: '500' },
    { name: `${name}, the first ${replicas}`, values: [replicas / first.seconds], unit: 'pods/s' },
    { name: `${name}, the last ${replicas}`, values: [replicas / last.seconds], unit: 'pods/s' },
    { name: `${name}, CPU of the node per pod, the first ${replicas}`, values: [first.cpuMsPerPod], unit: 'ms' },
    {
      name: `${name}, CPU of the node per pod, the last ${replicas}`,
      values: [last.cpuMsPerPod],
      unit: 'ms',
      aim: 'no more',
      note: `${(last.cpuMsPerPod / first.cpuMsPerPod).toFixed(2)}× the first`,
    },
    { name: `${name}, memory before the last`, values: [(steps.at(-2) ?? first).memoryMiB], unit: 'MiB' },
    { name: `${name}, memory`, values: [last.memoryMiB], unit: 'MiB' },
  ];
}

function deployment(name: string, replicas: number): unknown {
  const labels = { app: name };
  const container = { name: 'c', image: 'registry.k8s.io/pause:3.10', resources: { requests: { cpu: '10m', memory: '16Mi' } } };
  const template = { metadata: { labels }, spec: { nodeSelector: { 'rockpool.dev/fleet': 'true' }, containers: [container] } };
  const metadata = { name, namespace: 'default' };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas, selector: { matchLabels: labels }, template } };
}

/** One watch on Deployments: a few events for thousands of pods, so that looking costs the node next to nothing. */
async function watchReady(caller: ApiCaller): Promise<(name: string, replicas: number) => Promise<void>> {
  const waiting = new Map<string, { replicas: number; resolve: () => void; timer: NodeJS.Timeout }>();
  let rest = '';
  await caller.watch('/apis/apps/v1/namespaces/default/deployments?watch=true', (chunk) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const { object } = JSON.parse(line) as { object: { metadata: { name: string }; status?: { readyReplicas?: number } } };
      const one = waiting.get(object.metadata.name);
      if (!one || object.status?.readyReplicas !== one.replicas) continue;
      clearTimeout(one.timer);
      waiting.delete(object.metadata.name);
      one.resolve();
    }
  });
  return (name, replicas) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} was not ready within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
      waiting.set(name, { replicas, resolve, timer });
    });
}

async function untilReadyNodes(caller: ApiCaller, count: number): Promise<void> {
  const until = performance.now() + TIMEOUT_MS;
  for (;;) {
    const { text } = await caller.call('GET', '/api/v1/nodes?labelSelector=rockpool.dev%2Ffleet', undefined, { keep: true });
    const { items } = JSON.parse(text) as { items: { spec: { taints?: unknown[] } }[] };
    if (items.length >= count && items.every(({ spec }) => !spec.taints?.length)) return;
    if (performance.now() > until) throw new Error('the nodes keep their not-ready taints');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
