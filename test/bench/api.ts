/** The work of any API server: ConfigMaps of 1 KB created, read, patched, listed, watched and deleted, 16 requests in flight. */
import { benchCluster, type Connection, type DriverName } from './cluster.ts';
import { type ApiCaller, apiCaller, blast } from './http.ts';
import { cpuSeconds, type Figure, median, processes, pssMiB, withDescendants } from './measure.ts';

const IN_FLIGHT = 16;
const FILL = 'x'.repeat(1024);
const LISTED = 1_000;
/** What an object and a list of 1,000 of them take on the wire, bytes. */
export const ANSWER_BYTES = { objectBytes: 1_560, listBytes: 1_520_000 };

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

type Storage = 'etcd' | 'embedded';

/**
 * What the reference needs, from shared measurements of Kubernetes 1.20 with etcd on this kind of machine: a rate (the watch: ms until all is
 * delivered), CPU ms of API server and etcd per operation, p99 ms; and how many times the rate we want.
 */
const REFERENCE: Record<string, { value: number; cpu: number; p99?: number; aim: Record<Storage, number>; lessIsBetter?: boolean }> = {
  create: { value: 1805, cpu: 0.87, p99: 30, aim: { etcd: 1.5, embedded: 3 } },
  get: { value: 3321, cpu: 0.48, p99: 16, aim: { etcd: 4, embedded: 4 } },
  patch: { value: 1470, cpu: 1.12, p99: 34, aim: { etcd: 1.5, embedded: 3 } },
  delete: { value: 1568, cpu: 1, p99: 35, aim: { etcd: 1.5, embedded: 3 } },
  list: { value: 84.5, cpu: 21.3, p99: 129, aim: { etcd: 8, embedded: 8 } },
  watch: { value: 1530, cpu: 2.12, aim: { etcd: 2, embedded: 2 }, lessIsBetter: true },
};

interface Measured {
  values: number[];
  cpu: number[];
  p99: number[];
  unit: string;
}

type Note = (key: string, unit: string, value: number, cpu: number, p99?: number) => void;

export async function benchApi(driver: DriverName, storage: Storage, runs: number, scale: Scale): Promise<Figure[]> {
  const cluster = await benchCluster(driver, 'bench-api', ['--storage', storage]);
  try {
    const root = await cluster.nodePid();
    const pids = withDescendants(root, processes()).map(({ pid }) => pid);
    const direct = await cluster.direct();
    const ways: { name: string; connection: Connection; results: Map<string, Measured> }[] = [
      { name: storage, connection: cluster.connection, results: new Map() },
      ...(direct ? [{ name: `${storage}, past the engine's port`, connection: direct, results: new Map() }] : []),
    ];
    for (let run = 0; run < runs; run++) {
      for (const [index, { connection, results }] of ways.entries()) {
        const caller = apiCaller(connection, IN_FLIGHT);
        await oneRun(caller, { namespace: `bench-${run}-${index}`, scale, pids, note: noteIn(results) });
        caller.close();
      }
    }
    const figures = ways.flatMap(({ name, results }) => [...results].map(([key, measured]) => figureOf(name, key, storage, measured)));
    return [...figures, memoryAfter(storage, root)];
  } finally {
    await cluster.remove();
  }
}

function noteIn(results: Map<string, Measured>): Note {
  return (key, unit, value, cpu, p99 = Number.NaN) => {
    const entry = results.get(key) ?? { values: [], cpu: [], p99: [], unit };
    entry.values.push(value);
    entry.cpu.push(cpu);
    entry.p99.push(p99);
    results.set(key, entry);
  };
}

function figureOf(name: string, key: string, storage: Storage, { values, cpu, p99, unit }: Measured): Figure {
  const reference = REFERENCE[key]!;
  const ratio = reference.lessIsBetter ? reference.value / median(values) : median(values) / reference.value;
  const share = median(cpu) / reference.cpu;
  return {
    name: `${name}: ${key}`,
    values,
    unit,
    reference: `${reference.value}${unit === '/s' ? '/s' : ` ${unit}`}, CPU ${reference.cpu} ms${reference.p99 ? `, p99 ${reference.p99}` : ''}`,
    aim: `${reference.aim[storage]}×, CPU a third`,
    note: `${ratio.toFixed(1)}×, CPU ${median(cpu).toFixed(2)} ms (${share.toFixed(2)} of it)${reference.p99 ? `, p99 ${median(p99).toFixed(1)}` : ''}`,
  };
}

/** What the node's processes hold when the work is done and its objects are gone. */
function memoryAfter(storage: Storage, root: number): Figure {
  const each = withDescendants(root, processes()).map(({ pid, command }) => ({
    name: command.split(' ')[0]!.split('/').at(-1),
    mib: pssMiB(pid),
  }));
  return {
    name: `${storage}: memory after (PSS)`,
    values: [each.reduce((sum, { mib }) => sum + mib, 0)],
    unit: 'MiB',
    reference: 'apiserver 885 (peak 1392), etcd 203',
    note: each
      .filter(({ mib }) => mib >= 1)
      .map(({ name, mib }) => `${name} ${mib.toFixed(0)}`)
      .join(', '),
  };
}

interface RunOptions {
  namespace: string;
  scale: Scale;
  pids: readonly number[];
  note: Note;
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

  await fanOut(caller, base, { ...scale, name, pids, note });
  await measure('delete', scale.creates, [200], (index) => caller.call('DELETE', `${base}/${name(index)}`));
  await caller.call('DELETE', `/api/v1/namespaces/${listed}`);
  await caller.call('DELETE', `/api/v1/namespaces/${namespace}`);
}

/** Notes the milliseconds until every watcher has seen every update, and the CPU of one update with all that it causes. */
async function fanOut(
  caller: ApiCaller,
  base: string,
  { watchers, updates, name, pids, note }: Scale & Pick<RunOptions, 'pids' | 'note'> & { name: (index: number) => string },
): Promise<void> {
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
  const cpu = (): number => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const cpuBefore = cpu();
  const began = performance.now();
  await blast(updates, {
    inFlight: IN_FLIGHT,
    statuses: [200],
    pids: [],
    make: (index) =>
      caller.call('PATCH', `${base}/${name(index % 100)}`, `{"data":{"v":"w-${index}"}}`, { type: 'application/merge-patch+json' }),
  });
  await done.promise;
  note('watch', 'ms', performance.now() - began, ((cpu() - cpuBefore) * 1000) / updates);
  for (const close of closers) close();
}

const configMap = (name: string, namespace: string): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace, labels: { app: 'bench', seq: name } },
  data: { v: 'a', fill: FILL },
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
