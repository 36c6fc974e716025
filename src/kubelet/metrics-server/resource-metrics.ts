/** Reads what a kubelet serves at `/metrics/resource`, in Prometheus's text format. */

export interface Counters {
  /** Seconds of CPU time since the start. */
  cpuSeconds: number;
  memoryBytes: number;
  /** Milliseconds since the epoch: when it was measured. */
  at: number;
}

export interface ContainerCounters extends Counters {
  namespace: string;
  pod: string;
  container: string;
  /** Milliseconds since the epoch; undefined where the kubelet does not say. */
  startedAt: number | undefined;
}

export interface NodeCounters {
  /** Undefined when the kubelet could not tell. */
  node: Counters | undefined;
  /** By namespace/pod/container. */
  containers: ReadonlyMap<string, ContainerCounters>;
}

interface Series {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
  at: number | undefined;
}

/** What has no timestamp of its own was measured at `now`. Containers of which CPU or memory is not told are left out. */
export function parseResourceMetrics(text: string, now: number): NodeCounters {
  const node: Partial<Counters> = {};
  const containers = new Map<string, Partial<ContainerCounters>>();
  const of = ({ namespace = '', pod = '', container = '' }: Series['labels']): Partial<ContainerCounters> => {
    const key = `${namespace}/${pod}/${container}`;
    let found = containers.get(key);
    if (!found) containers.set(key, (found = { namespace, pod, container }));
    return found;
  };
  for (const { name, labels, value, at = now } of seriesOf(text)) {
    if (name === 'node_cpu_usage_seconds_total') Object.assign(node, { cpuSeconds: value, at });
    else if (name === 'node_memory_working_set_bytes') node.memoryBytes = value;
    else if (name === 'container_cpu_usage_seconds_total') Object.assign(of(labels), { cpuSeconds: value, at });
    else if (name === 'container_memory_working_set_bytes') of(labels).memoryBytes = value;
    else if (name === 'container_start_time_seconds') of(labels).startedAt = value * 1000;
  }
  const whole = [...containers].filter((entry): entry is [string, ContainerCounters] => isWhole(entry[1]));
  return { node: isWhole(node) ? node : undefined, containers: new Map(whole) };
}

function isWhole(counters: Partial<Counters>): counters is Counters {
  return counters.cpuSeconds !== undefined && counters.memoryBytes !== undefined;
}

const LINE = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>[^}]*)\})?\s+(?<value>\S+)(?:\s+(?<at>-?\d+))?\s*$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

function* seriesOf(text: string): Generator<Series> {
  for (const line of text.split('\n')) {
    const groups = line.startsWith('#') ? undefined : LINE.exec(line)?.groups;
    if (!groups) continue;
    // Names of pods, containers and namespaces hold nothing that would be escaped.
    const labels = Object.fromEntries([...(groups['labels'] ?? '').matchAll(LABEL)].map(([, key, value]) => [key!, value!]));
    yield {
      name: groups['name']!,
      labels,
      value: Number(groups['value']),
      at: groups['at'] === undefined ? undefined : Number(groups['at']),
    };
  }
}
