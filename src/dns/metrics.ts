/** Counters in Prometheus's text format, by CoreDNS's names. */
export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();

  /** `labels` is the text between the braces: `server="dns://:53",zone="."`. */
  count(name: string, labels: string): void {
    let series = this.#counters.get(name);
    if (!series) this.#counters.set(name, (series = new Map<string, number>()));
    series.set(labels, (series.get(labels) ?? 0) + 1);
  }

  render(): string {
    return [...this.#counters]
      .map(([name, series]) =>
        [`# TYPE ${name} counter`, ...[...series].map(([labels, value]) => `${name}{${labels}} ${value}`), ''].join('\n'),
      )
      .join('');
  }
}
