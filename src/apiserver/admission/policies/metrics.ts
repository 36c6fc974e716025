import type { Binding, Policy } from './catalog.ts';

export interface Counted {
  policy: Policy;
  binding: Binding;
  /** `allow`, or what the binding made of a failure. */
  action: string;
  /** Whether it was a failure to evaluate. */
  error: boolean;
}

/** What policies decided, under upstream's metric names. */
export class PolicyMetrics {
  readonly #type: 'validating' | 'mutating';
  readonly #counts = new Map<string, number>();

  constructor(type: 'validating' | 'mutating') {
    this.#type = type;
  }

  count({ policy, binding, action, error }: Counted): void {
    const labels = `enforcement_action="${action}",error_type="${error ? 'invalid_error' : 'no_error'}",policy="${policy.metadata.name}",policy_binding="${binding.metadata.name}"`;
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + 1);
  }

  /** Prometheus's text form; nothing where no policy was asked. */
  lines(): readonly string[] {
    if (this.#counts.size === 0) return [];
    const name = `apiserver_${this.#type}_admission_policy_check_total`;
    return [
      `# HELP ${name} [BETA] ${this.#type === 'validating' ? 'Validation' : 'Mutation'} admission policy check total, labeled by policy and further identified by binding and enforcement action taken.`,
      `# TYPE ${name} counter`,
      ...[...this.#counts].map(([labels, count]) => `${name}{${labels}} ${count}`),
    ];
  }
}
