/** Regular expressions that end: V8 stops even one that backtracks, but only for code that was started as a script. */
import { createContext, runInContext, type Context } from 'node:vm';
import { isRisky } from './pattern-risk.ts';

/** How long a risky regular expression may take, ms. */
export const PATTERN_DEADLINE_MS = 500;
/** How long it may take once it was found to be slow, ms: lists have many items. */
const SLOW_DEADLINE_MS = 5;
/** Texts of so few characters are tried in a moment, whatever the pattern: a deadline would cost more. */
const SHORT_TEXT = 12;
const MOST_SLOW = 1000;

let sandbox: Context | undefined;
const slow = new Set<string>();

/** Runs `work`. Throws an error that `isTimeout` knows when it takes longer than `ms`. */
export function inTime<T>(work: () => T, ms: number): T {
  sandbox ??= createContext({});
  sandbox['run'] = work;
  try {
    return runInContext('run()', sandbox, { timeout: ms }) as T;
  } finally {
    sandbox['run'] = undefined;
  }
}

export function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
}

/** Whether `text` matches `compiled`, which was made of `pattern`; undefined when that could not be found out in time. */
export function matchesInTime(compiled: RegExp, pattern: string, text: string): boolean | undefined {
  if (text.length <= SHORT_TEXT || !isRisky(text, pattern)) return compiled.test(text);
  try {
    return inTime(() => compiled.test(text), slow.has(pattern) ? SLOW_DEADLINE_MS : PATTERN_DEADLINE_MS);
  } catch (error) {
    if (!isTimeout(error)) throw error;
    if (slow.size >= MOST_SLOW) slow.clear();
    slow.add(pattern);
    return undefined;
  }
}
