import { notFound, conflict, alreadyExists, statusError, StatusError } from '../api/status.ts';
import { SelectorError } from '../api/selectors.ts';
import { StorageError } from '../storage/storage.ts';
import type { RequestInfo } from './contract.ts';

/**
 * The one place where anything thrown becomes what a client is told. What is not a StatusError, a StorageError or a SelectorError is
 * a fault of ours: the client gets its message, never its stack.
 */
export function toStatusError(error: unknown, info: RequestInfo): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof StorageError) return fromStorage(error, info);
  if (error instanceof SelectorError || error instanceof URIError) return statusError('BadRequest', error.message);
  if (error instanceof Error && error.name === 'TimeoutError') return timeout(info);
  return statusError('InternalError', `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`, {
    causes: [{ message: error instanceof Error ? error.message : String(error) }],
  });
}

/** Whether the server's log should hear of it: the client did nothing wrong. */
export function isOurFault(error: unknown): boolean {
  if (error instanceof StatusError) return error.code >= 500 && error.reason === 'InternalError';
  if (error instanceof StorageError) return error.code === 'NoSpace';
  return (
    !(error instanceof SelectorError || error instanceof URIError) &&
    !(error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
  );
}

function fromStorage(error: StorageError, { resource, group, name }: RequestInfo): StatusError {
  switch (error.code) {
    case 'KeyExists':
      return alreadyExists(resource, group, name);
    case 'RevisionMismatch':
      return error.current ? conflict(resource, group, name, MODIFIED) : notFound(resource, group, name);
    case 'Compacted':
      return statusError('Expired', 'The resourceVersion for the provided watch is too old.');
    case 'TooLarge':
      return statusError('RequestEntityTooLarge', 'Request entity too large: limit is 3145728', undefined, error);
    case 'NoSpace':
      return statusError('InternalError', `Internal error occurred: the store has no space left: ${error.message}`, undefined, error);
    case 'Unavailable':
    case 'Closed':
      return statusError('ServiceUnavailable', 'the store is not available', { retryAfterSeconds: 1 }, error);
  }
}

/** What an optimistic update that lost says (apiserver's OptimisticLockErrorMsg). */
export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

function timeout({ resource, verb }: RequestInfo): StatusError {
  return statusError('Timeout', `Timeout: request did not complete within the allotted timeout`, {
    ...(resource ? { kind: resource } : {}),
    causes: [{ message: verb }],
  });
}

/** A watch or a list asks for what is no longer known. */
export function tooOld(asked: number, oldest: number): StatusError {
  return statusError('Expired', `too old resource version: ${asked} (${oldest})`);
}

/** A read asks for a revision that has not been reached in time. */
export function tooLarge(asked: number, current: number): StatusError {
  return statusError('Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

/** A path that nobody serves: plain text, as Go's mux answers, not a Status. */
export class NotFoundPage extends Error {}

export function notFoundPage(): NotFoundPage {
  return new NotFoundPage('404 page not found');
}
