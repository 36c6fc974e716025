import type { RequestInfo } from '../contract.ts';

/** Upper bounds of apiserver_request_duration_seconds and etcd_request_duration_seconds. */
const BUCKETS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const LONG_RUNNING = new Set(['watch', 'proxy', 'connect']);
/** Verbs of requests (apiserver's canonicalVerb) where they are not the method's name. */
const VERBS: Readonly<Record<string, string>> = { watch: 'WATCH', list: 'LIST', deletecollection: 'DELETECOLLECTION' };
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const CONNECT = new Set(['exec', 'attach', 'portforward', 'proxy']);
/** Paths beside the resources that are counted by their name. */
const OWN_PATH = /^\/(?:healthz|livez|readyz|metrics|version)(?=\/|$)/;

/** What is counted of a request. */
export interface Observed {
  info: RequestInfo;
  method: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, unknown>>;
}

interface Series {
  labels: string;
  byCode: Map<number, number>;
  durations: Histogram;
}

export type MetricType = 'counter' | 'gauge';

/** Numbers by their label text (`resource="pods"`), or one number. */
export type Reading = ReadonlyMap<string, number> | number;

/** Counts requests under upstream's metric names. One map look-up a request; the text is made when someone scrapes. */
export class ApiMetrics {
  readonly #series = new Map<string, Series>();
  readonly #values: { name: string; type: MetricType; help: string; read: () => Reading }[] = [];
  readonly #exposed: (() => readonly string[])[] = [];
  readonly #isServed: (info: RequestInfo) => boolean;

  /** `isServed` tells resources from what clients make up: nobody can make series without end. */
  constructor(isServed: (info: RequestInfo) => boolean) {
    this.#isServed = isServed;
  }

  /** A request has been answered. `seconds` is not kept for what runs long by its nature. */
  observe(request: Observed, code: number, seconds: number): void {
    const verb = verbOf(request);
    const series = this.#find(request, verb);
    series.byCode.set(code, (series.byCode.get(code) ?? 0) + 1);
    if (!LONG_RUNNING.has(request.info.verb) && verb !== 'CONNECT') series.durations.observe(seconds);
  }

  #find({ info, query }: Observed, verb: string): Series {
    const { group, version, resource, subresource } = info;
    const dryRun = query.size > 0 && query.get('dryRun') === 'All' ? 'All' : '';
    const scope = scopeOf(info);
    const key = `${verb}/${group}/${version}/${resource}/${subresource}/${scope}/${dryRun}`;
    const known = this.#series.get(key);
    if (known) return known;
    if (info.isResourceRequest && this.#isServed(info))
      return this.#make(key, { verb, dry_run: dryRun, group, version, resource, subresource, scope });
    const path = OWN_PATH.exec(info.path)?.[0] ?? '';
    const other = `${verb} ${path}`;
    return (
      this.#series.get(other) ??
      this.#make(other, { verb, dry_run: '', group: '', version: '', resource: '', subresource: path, scope: '' })
    );
  }

  #make(key: string, labels: Readonly<Record<string, string>>): Series {
    const made = {
      labels: labelText({ ...labels, component: 'apiserver' }),
      byCode: new Map<number, number>(),
      durations: new Histogram(),
    };
    this.#series.set(key, made);
    return made;
  }

  /** A value that is read when scraped. */
  gauge(name: string, help: string, read: () => Reading): void {
    this.#values.push({ name, type: 'gauge', help, read });
  }

  /** A total that only grows, read when scraped. */
  counter(name: string, help: string, read: () => Reading): void {
    this.#values.push({ name, type: 'counter', help, read });
  }

  /** Whole lines of others, made when scraped. */
  expose(lines: () => readonly string[]): void {
    this.#exposed.push(lines);
  }

  text(): string {
    const lines = head('apiserver_request_total', 'counter', REQUESTS);
    for (const { labels, byCode } of this.#series.values())
      for (const [code, count] of byCode) lines.push(`apiserver_request_total{code="${code}",${labels}} ${count}`);
    lines.push(...head('apiserver_request_duration_seconds', 'histogram', DURATIONS));
    for (const { labels, durations } of this.#series.values()) lines.push(...durations.lines('apiserver_request_duration_seconds', labels));
    for (const { name, type, help, read } of this.#values) {
      lines.push(...head(name, type, help));
      const value = read();
      if (typeof value === 'number') lines.push(`${name} ${value}`);
      else for (const [labels, number] of value) lines.push(`${name}{${labels}} ${number}`);
    }
    for (const exposed of this.#exposed) lines.push(...exposed());
    return `${lines.join('\n')}\n`;
  }
}

const REQUESTS =
  '[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.';
const DURATIONS =
  '[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.';

/** Durations in upstream's buckets. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS.length + 1);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    this.#counts[bucket < 0 ? BUCKETS.length : bucket]!++;
    this.#sum += seconds;
    this.#count++;
  }

  /** None before the first observation. */
  lines(name: string, labels: string): string[] {
    if (this.#count === 0) return [];
    let total = 0;
    const lines = BUCKETS.map((bound, index) => {
      total += this.#counts[index]!;
      return `${name}_bucket{${labels},le="${bound}"} ${total}`;
    });
    return [
      ...lines,
      `${name}_bucket{${labels},le="+Inf"} ${this.#count}`,
      `${name}_sum{${labels}} ${this.#sum}`,
      `${name}_count{${labels}} ${this.#count}`,
    ];
  }
}

/** The two lines that stand above a metric's values. */
export const head = (name: string, type: MetricType | 'histogram', help: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
];

export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
    .join(',');
}

function verbOf({ info, method, headers }: Observed): string {
  if (info.isResourceRequest && CONNECT.has(info.subresource)) return 'CONNECT';
  if (method === 'PATCH' && String(headers['content-type']).startsWith('application/apply-patch+')) return 'APPLY';
  return VERBS[info.verb] ?? (METHODS.has(method) ? method : 'OTHER');
}

/** apiserver's CleanScope. */
function scopeOf({ isResourceRequest, name, namespace, verb }: RequestInfo): string {
  if (!isResourceRequest) return '';
  if (name !== '' || verb === 'create') return 'resource';
  return namespace === '' ? 'cluster' : 'namespace';
}
