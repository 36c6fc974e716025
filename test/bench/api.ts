/** The work of any API server: ConfigMaps of 1 KB created, read, patched, listed, watched and deleted, 16 requests in flight. */
import { benchCluster, type DriverName } from './cluster.ts';
import { type ApiCaller, apiCaller, blast } from './http.ts';
import { type Figure, median, processes, withDescendants } from './measure.ts';

const IN_FLIGHT = 16;
const FILL = 'x'.repeat(1024);
const LISTED = 1_000;

interface Scale {
  creates: number;
  gets: number;
  patches: number;
  lists: number;
  watchers: number;
  updates: number;
}

export const FULL: Scale = { creates: 5_000, gets: 20_000, patches: 5_000, lists: 100, watchers: 100, updates: 1_000 };
export const SHORT: Scale = { creates: 500, gets: 2_000, patches: 500, lists: 20, watchers: 50, updates: 200 };

/** What the reference needs, from shared measurements of Kubernetes 1.20 with etcd on this kind of machine. */
const REFERENCE: Record<string, { figure: string; value: number; aim: string; higherIsBetter: boolean }> = {
  create: { figure: '1805/s, 0.87 ms CPU', value: 1805, aim: '1.5× etcd, 3× embedded', higherIsBetter: true },
  get: { figure: '3321/s, 0.48 ms CPU', value: 3321, aim: '4×', higherIsBetter: true },
  patch: { figure: '1470/s, 1.12 ms CPU', value: 1470, aim: '1.5× etcd, 3× embedded', higherIsBetter: true },
  delete: { figure: '1568/s, 1.00 ms CPU', value: 1568, aim: '1.5× etcd, 3× embedded', higherIsBetter: true },
  list: { figure: '84.5/s, 21.3 ms CPU', value: 84.5, aim: '8×', higherIsBetter: true },
  watch: { figure: '1530 ms', value: 1530, aim: '2×', higherIsBetter: false },
};

const configMap = (name: string, namespace: string): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels: { app: 'bench', seq: name } },
  data: { v: 'a', fill: FILL },
});

export async function benchApi(driver: DriverName, storage: 'etcd' | 'embedded', runs: number, scale: Scale): Promise<Figure[]> {
  const cluster = await benchCluster(driver, 'bench-api', ['--storage', storage]);
  const caller = apiCaller(cluster.connection, IN_FLIGHT);
  const results = new Map<string, { values: number[]; cpu: number[]; p99: number[]; unit: string }>();
  const note = (key: string, unit: string, value: number, cpu = Number.NaN, p99 = Number.NaN): void => {
    const entry = results.get(key) ?? { values: [], cpu: [], p99: [], unit };
    entry.values.push(value);
    entry.cpu.push(cpu);
    entry.p99.push(p99);
    results.set(key, entry);
  };
  try {
    const root = await cluster.nodePid();
    const pids = withDescendants(root, processes()).map(({ pid }) => pid);
    for (let run = 0; run < runs; run++) await oneRun(caller, { namespace: `bench-${run}`, scale, pids, note });
  } finally {
    caller.close();
    await cluster.remove();
  }
  return [...results].map(([key, { values, cpu, p99, unit }]) => {
    const reference = REFERENCE[key]!;
    const ratio = reference.higherIsBetter ? median(values) / reference.value : reference.value / median(values);
    const cpuText = Number.isNaN(cpu[0]) ? '' : `, CPU ${median(cpu).toFixed(2)} ms per operation, p99 ${median(p99).toFixed(1)} ms`;
    return {
      name: `${storage}: ${key}`,
      values,
      unit,
      reference: reference.figure,
      aim: reference.aim,
      note: `${ratio.toFixed(1)}× the reference${cpuText}`,
    };
  });
}

interface RunOptions {
  namespace: string;
  scale: Scale;
  pids: readonly number[];
  note: (key: string, unit: string, value: number, cpu?: number, p99?: number) => void;
}

async function oneRun(caller: ApiCaller, { namespace, scale, pids, note }: RunOptions): Promise<void> {
  const makeNamespace = (name: string) =>
    caller.call('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await makeNamespace(namespace);
  await sleep(500);
  const base = `/api/v1/namespaces/${namespace}/configmaps`;
  const name = (index: number): string => `cm-${String(index).padStart(6, '0')}`;
  const measure = async (
    key: string,
    count: number,
    statuses: readonly number[],
    make: (index: number) => ReturnType<ApiCaller['call']>,
    inFlight = IN_FLIGHT,
  ): Promise<void> => {
    const { perSecond, cpuMs, p99 } = await blast(count, { inFlight, statuses, pids, make });
    note(key, '/s', perSecond, cpuMs, p99);
  };
  await blast(200, { inFlight: IN_FLIGHT, statuses: [200], pids, make: () => caller.call('GET', `${base}?limit=1`) });
  await measure('create', scale.creates, [201], (index) => caller.call('POST', base, configMap(name(index), namespace)));
  await measure('get', scale.gets, [200], (index) => caller.call('GET', `${base}/${name((index * 7919) % scale.creates)}`));
  await measure('patch', scale.patches, [200], (index) =>
    caller.call('PATCH', `${base}/${name(index % scale.creates)}`, `{"data":{"v":"p-${index}"}}`, { type: 'application/merge-patch+json' }),
  );

  const listed = `${namespace}-l`;
  await makeNamespace(listed);
  await sleep(500);
  const listBase = `/api/v1/namespaces/${listed}/configmaps`;
  await blast(LISTED, {
    inFlight: IN_FLIGHT,
    statuses: [201],
    pids,
    make: (index) => caller.call('POST', listBase, configMap(name(index), listed)),
  });
  await measure('list', scale.lists, [200], () => caller.call('GET', listBase), 4);

  note('watch', 'ms', await fanOut(caller, base, { ...scale, name }));
  await measure('delete', scale.creates, [200], (index) => caller.call('DELETE', `${base}/${name(index)}`));
  await caller.call('DELETE', `/api/v1/namespaces/${listed}`);
  await caller.call('DELETE', `/api/v1/namespaces/${namespace}`);
}

/** Milliseconds until every watcher has seen every update. */
async function fanOut(
  caller: ApiCaller,
  base: string,
  { watchers, updates, name }: Scale & { name: (index: number) => string },
): Promise<number> {
  const { text } = await caller.call('GET', `${base}?limit=1`, undefined, { keep: true });
  const { resourceVersion } = (JSON.parse(text) as { metadata: { resourceVersion: string } }).metadata;
  let seen = 0;
  const done = Promise.withResolvers<void>();
  const count = (chunk: Buffer): void => {
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) seen++;
    if (seen >= watchers * updates) done.resolve();
  };
  const closers = await Promise.all(
    Array.from({ length: watchers }, () => caller.watch(`${base}?watch=true&resourceVersion=${resourceVersion}&timeoutSeconds=600`, count)),
  );
  const began = performance.now();
  await blast(updates, {
    inFlight: IN_FLIGHT,
    statuses: [200],
    pids: [],
    make: (index) =>
      caller.call('PATCH', `${base}/${name(index % 100)}`, `{"data":{"v":"w-${index}"}}`, { type: 'application/merge-patch+json' }),
  });
  await done.promise;
  const took = performance.now() - began;
  for (const close of closers) close();
  return took;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
