import type { Clock } from '../lib/clock.ts';

/** `--trace-startup`: what ended when, in milliseconds since this process began. */
export class Timeline {
  readonly #clock: Clock;
  readonly entries: { name: string; from: number; to: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes how long `work` takes; a failure is noted by its absence. */
  async during<T>(name: string, work: Promise<T>): Promise<T> {
    const from = this.#clock.monotonic();
    const result = await work;
    this.entries.push({ name, from, to: this.#clock.monotonic() });
    return result;
  }

  /** The phases that the node reports count from its own beginning, which was `from`. */
  addPhases(from: number, phases: Readonly<Record<string, number>>): void {
    for (const [name, ms] of Object.entries(phases)) this.entries.push({ name: `node: ${name}`, from, to: from + ms });
  }

  lines(): string[] {
    return this.entries
      .toSorted((a, b) => a.to - b.to)
      .map(({ name, from, to }) => `${from.toFixed(0).padStart(7)} → ${to.toFixed(0).padStart(6)} ms  ${name}`);
  }
}
