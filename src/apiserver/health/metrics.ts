import type { Handler, RequestInfo } from '../contract.ts';

/** Upper bounds of apiserver_request_duration_seconds. */
const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const LONG_RUNNING = new Set(['watch', 'proxy', 'connect']);

interface Series {
  labels: string;
  byCode: Map<number, number>;
  durations: Uint32Array;
  sum: number;
  count: number;
}

/** Counts requests under upstream's metric names. One map look-up a request; the text is made when someone scrapes. */
export class ApiMetrics {
  readonly #series = new Map<string, Series>();
  readonly #gauges: { name: string; help: string; read: () => ReadonlyMap<string, number> | number }[] = [];
  readonly #exposed: (() => readonly string[])[] = [];
  inFlight = 0;

  /** A request has been answered. `seconds` is not kept for what runs long by its nature. */
  observe(
    { verb, group, version, resource, subresource, namespace, name, isResourceRequest }: RequestInfo,
    code: number,
    seconds: number,
  ): void {
    const scope = !isResourceRequest ? '' : namespace ? (name ? 'resource' : 'namespace') : name ? 'resource' : 'cluster';
    const key = `${verb}/${group}/${version}/${resource}/${subresource}/${scope}`;
    let series = this.#series.get(key);
    if (!series) {
      const labels = { verb: verb.toUpperCase(), group, version, resource, subresource, scope, component: 'apiserver', dry_run: '' };
      series = { labels: format(labels), byCode: new Map(), durations: new Uint32Array(BUCKETS.length + 1), sum: 0, count: 0 };
      this.#series.set(key, series);
    }
    series.byCode.set(code, (series.byCode.get(code) ?? 0) + 1);
    if (LONG_RUNNING.has(verb)) return;
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    series.durations[bucket < 0 ? BUCKETS.length : bucket]!++;
    series.sum += seconds;
    series.count++;
  }

  /** A value that is read when scraped: a number, or numbers by their label text (`resource="pods"`). */
  gauge(name: string, help: string, read: () => ReadonlyMap<string, number> | number): void {
    this.#gauges.push({ name, help, read });
  }

  /** Whole lines of others, made when scraped. */
  expose(lines: () => readonly string[]): void {
    this.#exposed.push(lines);
  }

  text(): string {
    const lines: string[] = [];
    lines.push(
      '# HELP apiserver_request_total [STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
      '# TYPE apiserver_request_total counter',
    );
    for (const { labels, byCode } of this.#series.values()) {
      for (const [code, count] of byCode) lines.push(`apiserver_request_total{code="${code}",${labels}} ${count}`);
    }
    lines.push(
      '# HELP apiserver_request_duration_seconds [STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
      '# TYPE apiserver_request_duration_seconds histogram',
    );
    for (const series of this.#series.values()) lines.push(...histogram(series));
    lines.push(
      '# HELP apiserver_current_inflight_requests [STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      '# TYPE apiserver_current_inflight_requests gauge',
      `apiserver_current_inflight_requests{request_kind="readOnly"} ${this.inFlight}`,
    );
    for (const { name, help, read } of this.#gauges) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} gauge`);
      const value = read();
      if (typeof value === 'number') lines.push(`${name} ${value}`);
      else for (const [labels, number] of value) lines.push(`${name}{${labels}} ${number}`);
    }
    for (const exposed of this.#exposed) lines.push(...exposed());
    return `${lines.join('\n')}\n`;
  }
}

function histogram({ labels, durations, sum, count }: Series): string[] {
  if (count === 0) return [];
  const name = 'apiserver_request_duration_seconds';
  let total = 0;
  const lines = BUCKETS.map((bound, index) => {
    total += durations[index]!;
    return `${name}_bucket{${labels},le="${bound}"} ${total}`;
  });
  return [...lines, `${name}_bucket{${labels},le="+Inf"} ${count}`, `${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`];
}

function format(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
    .join(',');
}

/** `/metrics` in Prometheus's text form, with the process's own memory and CPU. */
export function metricsHandler(metrics: ApiMetrics): Handler {
  metrics.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  metrics.gauge('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  return {
    name: 'metrics',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && info.path === '/metrics',
    handle: async () => ({ status: 200, bytes: Buffer.from(metrics.text()), contentType: 'text/plain; version=0.0.4; charset=utf-8' }),
  };
}
