import type { NodeReport } from '../lib/node-config.ts';
import { failure, reasonCodes } from './reasons.ts';

/** Cuts a stream of bytes into lines. */
export class LineReader {
  #rest = '';
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop()!;
    for (const line of lines) this.#onLine(line);
  }

  /** Hands out what stood after the last line's end. */
  end(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}

/** The node's report if the line is one. */
export function parseReport(line: string): NodeReport | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(line) as Partial<NodeReport>;
    return typeof value.ready === 'boolean' ? (value as NodeReport) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export type ReadyReport = Extract<NodeReport, { ready: true }>;

/** Throws what a report of failure says. */
export function requireReady(report: NodeReport): ReadyReport {
  if (report.ready) return report;
  const code = reasonCodes().find((known) => known === report.code) ?? 'NODE_START';
  throw failure(code, `the node could not start: ${report.message}`);
}

/** The end of what a process said, for a failure's message; nothing if it said nothing. */
export function lastLines(lines: readonly string[], count = 5): string {
  const last = lines.filter((line) => line.trim() !== '').slice(-count);
  return last.length === 0 ? '' : `. It said:\n${last.map((line) => `    ${line}`).join('\n')}`;
}
