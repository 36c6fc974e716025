import type Dockerode from 'dockerode';
import { errorCode, errorMessage } from '../../../lib/errors.ts';
import { failure } from '../../reasons.ts';
import type { EngineAddress } from './engine-address.ts';

/** dockerode's one door: loaded when an engine is needed and not before, as it costs 100 ms. */
export async function connect(address: EngineAddress): Promise<Dockerode> {
  // ssh2, which dockerode brings along for ssh:// engines, reads __dirname while it loads; a bundle of ES modules has none.
  (globalThis as { __dirname?: string }).__dirname ??= import.meta.dirname;
  const { default: Docker } = await import('dockerode');
  return new Docker(address.options);
}

/** Whether the engine said that the thing does not exist. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** 304: it is so already. */
export function isUnchanged(error: unknown): boolean {
  return statusOf(error) === 304;
}

/** The HTTP status that the engine answered with; undefined when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** What the engine refused, in our table's terms. */
export function engineFailure(error: unknown, what: string): Error {
  if (error instanceof Error && error.name === 'RockpoolError') return error;
  const message = errorMessage(error);
  const code = errorCode(error);
  if (code === 'EACCES') return failure('ENGINE_PERMISSION', `${what}: this user may not talk to the engine`, { cause: error });
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'ENOTFOUND')
    return failure('ENGINE_NOT_RUNNING', `${what}: the engine does not answer`, { cause: error });
  if (/no space left on device/i.test(message)) return failure('DISK_FULL', `${what}: the engine's disk is full`, { cause: error });
  if (/port is already allocated|address already in use|ports are not available/i.test(message)) {
    const port = /(?:0\.0\.0\.0|127\.0\.0\.1|\[::\]|\[::1\]):(\d+)/.exec(message)?.[1];
    return failure('PORT_IN_USE', `${what}: port ${port ?? ''} is in use by another program`.replace('  ', ' '), { cause: error });
  }
  if (/pool overlaps|non-overlapping IPv4|all predefined address pools/i.test(message))
    return failure('NETWORK_FULL', `${what}: no free range of addresses`, { cause: error });
  return failure('ENGINE_ERROR', `${what}: ${engineText(error)}`, { cause: error });
}

/** Runs one call to the engine and translates its refusal. */
export async function engineCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw engineFailure(error, what);
  }
}

/** The engine's own words without dockerode's frame `(HTTP code 500) server error - `. */
function engineText(error: unknown): string {
  return errorMessage(error)
    .replace(/^\(HTTP code \d+\) [^-]* - /, '')
    .trim();
}
