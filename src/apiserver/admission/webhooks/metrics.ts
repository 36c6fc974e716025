/** What webhooks cost and decided, under upstream's metric names. */
import type { AdmissionRequest } from '../../contract.ts';
import type { Hook } from './hooks.ts';

export interface Asked {
  hook: Hook;
  operation: AdmissionRequest['operation'];
}

/** `failed`: it could not be asked; `code`: of its refusal. */
export interface Outcome {
  rejected: boolean;
  failed?: boolean;
  code?: number;
}

/** Upper bounds of apiserver_admission_webhook_admission_duration_seconds. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
const PREFIX = 'apiserver_admission_webhook';

interface Series {
  labels: string;
  counts: number[];
  sum: number;
  count: number;
}

export class WebhookMetrics {
  readonly #durations = new Map<string, Series>();
  readonly #requests = new Map<string, number>();
  readonly #rejections = new Map<string, number>();
  readonly #failOpen = new Map<string, number>();

  observe({ hook, operation }: Asked, { rejected, failed = false, code = 0 }: Outcome, seconds: number): void {
    const own = `name="${hook.webhook.name}",operation="${operation}"`;
    this.#observeDuration(`${own},rejected="${rejected}",type="${hook.type}"`, seconds);
    increase(this.#requests, `code="${failed ? 0 : code || 200}",${own},rejected="${rejected}",type="${hook.type}"`);
    if (rejected) {
      const reason = failed ? 'calling_webhook_error' : 'no_error';
      increase(this.#rejections, `error_type="${reason}",${own},rejection_code="${failed ? 0 : code}",type="${hook.type}"`);
    } else if (failed) increase(this.#failOpen, `name="${hook.webhook.name}",type="${hook.type}"`);
  }

  /** Prometheus's text form; nothing where no webhook was asked. */
  lines(): readonly string[] {
    if (this.#durations.size === 0) return [];
    return [
      ...this.#histogram(),
      ...counter(
        `${PREFIX}_request_total`,
        'Admission webhook request total, identified by name and broken out for each admission type.',
        this.#requests,
      ),
      ...counter(
        `${PREFIX}_rejection_count`,
        'Admission webhook rejection count, identified by name and broken out for each admission type.',
        this.#rejections,
      ),
      ...counter(
        `${PREFIX}_fail_open_count`,
        'Admission webhook fail open count, identified by name and broken out for each admission type.',
        this.#failOpen,
      ),
    ];
  }

  #observeDuration(labels: string, seconds: number): void {
    let series = this.#durations.get(labels);
    if (!series) this.#durations.set(labels, (series = { labels, counts: BUCKETS.map(() => 0), sum: 0, count: 0 }));
    const bucket = BUCKETS.findIndex((bound) => seconds <= bound);
    if (bucket >= 0) series.counts[bucket]!++;
    series.sum += seconds;
    series.count++;
  }

  #histogram(): string[] {
    const name = `${PREFIX}_admission_duration_seconds`;
    const lines = [
      `# HELP ${name} [STABLE] Admission webhook latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).`,
      `# TYPE ${name} histogram`,
    ];
    for (const { labels, counts, sum, count } of this.#durations.values()) {
      let total = 0;
      for (const [index, bound] of BUCKETS.entries()) {
        total += counts[index]!;
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${total}`);
      }
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`, `${name}_sum{${labels}} ${sum}`, `${name}_count{${labels}} ${count}`);
    }
    return lines;
  }
}

function increase(counts: Map<string, number>, labels: string): void {
  counts.set(labels, (counts.get(labels) ?? 0) + 1);
}

function counter(name: string, help: string, counts: ReadonlyMap<string, number>): string[] {
  if (counts.size === 0) return [];
  return [
    `# HELP ${name} [ALPHA] ${help}`,
    `# TYPE ${name} counter`,
    ...[...counts].map(([labels, count]) => `${name}{${labels}} ${count}`),
  ];
}
