/** What a client is told of a webhook that refused its request, or did not answer. */
import { statusError, StatusError } from '../../../api/status.ts';
import type { Status } from '../../../api/types.gen.ts';

/** A webhook could not be asked, or answered what it may not: the failure policy decides. */
export class CallFailure extends Error {
  constructor(name: string, reason: string, cause?: unknown) {
    super(`failed calling webhook ${JSON.stringify(name)}: ${reason}`, { cause });
  }

  /** For a webhook without which the request fails. */
  refusal(): StatusError {
    return statusError('InternalError', `Internal error occurred: ${this.message}`, { causes: [{ message: this.message }] }, this.cause);
  }
}

const BAD_REQUEST = 400;

/** The status that a webhook gave with its refusal, completed (upstream's ToStatusErr): never a success, always with its name. */
export function denied(name: string, given: Partial<Status> = {}): StatusError {
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const why = given.message || given.reason;
  const { code = 0, status } = given;
  const completed = {
    ...given,
    kind: 'Status',
    apiVersion: 'v1',
    metadata: given.metadata ?? {},
    status: !status || status === 'Success' ? 'Failure' : status,
    message: why ? `${by}: ${why}` : `${by} without explanation`,
    code: code < BAD_REQUEST ? BAD_REQUEST : code,
  };
  return new StatusError(completed);
}

export function dryRunUnsupported(name: string): StatusError {
  return statusError('BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`);
}
