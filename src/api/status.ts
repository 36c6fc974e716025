import type { Status, StatusCause, StatusDetails } from './types.gen.ts';

/** The reasons of metav1.StatusReason with their HTTP codes. */
export const STATUS_CODES = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  ServerTimeout: 500,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof STATUS_CODES;

/** An API failure: thrown by handlers, written as a `Status`, and thrown again by our clients from the `Status` they read. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Status, options?: { cause?: unknown }) {
    super(status.message ?? status.reason ?? 'unknown API error', options);
    this.name = 'StatusError';
    this.status = status;
  }

  get code(): number {
    return this.status.code ?? 500;
  }

  get reason(): string {
    return this.status.reason ?? '';
  }

  /** Whether `error` is a StatusError with this reason. */
  static is(error: unknown, reason: StatusReason): error is StatusError {
    return error instanceof StatusError && error.status.reason === reason;
  }
}

/** A `Failure` with the reason's HTTP code. */
export function statusError(reason: StatusReason, message: string, details?: StatusDetails, cause?: unknown): StatusError {
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code: STATUS_CODES[reason] };
  if (details) status.details = details;
  return new StatusError(status, { cause });
}

const qualified = (resource: string, group: string): string => (group ? `${resource}.${group}` : resource);

export function notFound(resource: string, group: string, name: string): StatusError {
  return statusError('NotFound', `${qualified(resource, group)} "${name}" not found`, {
    name,
    ...(group ? { group } : {}),
    kind: resource,
  });
}

export function alreadyExists(resource: string, group: string, name: string): StatusError {
  return statusError('AlreadyExists', `${qualified(resource, group)} "${name}" already exists`, {
    name,
    ...(group ? { group } : {}),
    kind: resource,
  });
}

export function conflict(resource: string, group: string, name: string, why: string): StatusError {
  return statusError('Conflict', `Operation cannot be fulfilled on ${qualified(resource, group)} "${name}": ${why}`, {
    name,
    ...(group ? { group } : {}),
    kind: resource,
  });
}

/** One finding of validation. `type` gives upstream's opening words (`Required value`, `Invalid value: "x"` …), `detail` the rest. */
export interface FieldError {
  /** `spec.template.spec.containers[0].image` */
  field: string;
  type:
    | 'FieldValueRequired'
    | 'FieldValueInvalid'
    | 'FieldValueDuplicate'
    | 'FieldValueForbidden'
    | 'FieldValueNotFound'
    | 'FieldValueNotSupported'
    | 'FieldValueTooLong'
    | 'FieldValueTooMany'
    | 'FieldValueTypeInvalid'
    | 'InternalError';
  /** As upstream prints it after the field: `Required value`, `Invalid value: "A_b": a lowercase RFC 1123 label must …`. */
  message: string;
}

/** 422 in upstream's words: `Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`. */
export function invalid(kind: string, group: string, name: string, errors: readonly FieldError[]): StatusError {
  const texts = errors.map((error) => `${error.field}: ${error.message}`);
  const joined = texts.length === 1 ? texts[0]! : `[${texts.join(', ')}]`;
  const causes: StatusCause[] = errors.map(({ field, type, message }) => ({ reason: type, message, field }));
  return statusError('Invalid', `${qualified(kind, group)} "${name}" is invalid: ${joined}`, {
    name,
    ...(group ? { group } : {}),
    kind,
    causes,
  });
}
