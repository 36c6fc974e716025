import { watch } from 'node:fs';
import { abortable } from '../../../lib/abortable.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { NodeReport } from '../../../lib/node-config.ts';
import { readIfExists } from '../../files.ts';
import { lastLines, parseReport } from '../../node-report.ts';
import { failure } from '../../reasons.ts';

export interface AwaitReport {
  /** The node's stdout. */
  reportFile: string;
  log: string;
  /** Resolves with the exit code when the process ends. */
  ended: Promise<number>;
  clock: Clock;
  timeoutMs: number;
  signal: AbortSignal;
}

/** The node's report, as soon as it stands in the file. Throws NODE_START when the process ends first, NODE_TIMEOUT when it says nothing. */
export async function awaitReport({ reportFile, log, ended, clock, timeoutMs, signal }: AwaitReport): Promise<NodeReport> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  try {
    return await Promise.race([
      written(reportFile, either),
      ended.then(
        async (code) => (await readReport(reportFile)) ?? fail('NODE_START', `the node ended with code ${code} before it was ready`, log),
      ),
      clock
        .sleep(timeoutMs, either)
        .then(() => fail('NODE_TIMEOUT', `the node did not report within ${Math.round(timeoutMs / 1000)} s`, log)),
    ]);
  } finally {
    done.abort();
  }
}

async function written(reportFile: string, signal: AbortSignal): Promise<NodeReport> {
  const { promise, resolve, reject } = Promise.withResolvers<NodeReport>();
  const look = (): void => {
    readReport(reportFile).then((report) => report && resolve(report), reject);
  };
  const watcher = watch(reportFile, look);
  watcher.on('error', reject);
  look();
  try {
    return await abortable(promise, signal);
  } finally {
    watcher.close();
  }
}

async function readReport(path: string): Promise<NodeReport | undefined> {
  const text = (await readIfExists(path)) ?? '';
  // Only whole lines: the last one may be half written.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.map(parseReport).find((report) => report !== undefined);
}

async function fail(code: 'NODE_START' | 'NODE_TIMEOUT', message: string, log: string): Promise<never> {
  const said = ((await readIfExists(log)) ?? '').split('\n');
  throw failure(code, `${message}${lastLines(said)}`);
}
