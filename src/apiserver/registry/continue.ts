import { statusError } from '../../api/status.ts';
import { isObject } from './options.ts';

const VERSION = 'meta.k8s.io/v1';

/** Where a list goes on. */
export interface ContinueToken {
  /** The revision of the first page; -1: whatever is current, the client accepted inconsistency. */
  revision: number;
  /** The last key that was sent. */
  after: string;
}

/** Opaque to clients: upstream's form, base64url of `{"v":"meta.k8s.io/v1","rv":…,"start":…}`. */
export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: revision, start: after })).toString('base64url');
}

/** Throws StatusError 400. */
export function decodeContinue(text: string): ContinueToken {
  const { v, rv, start } = parse(text);
  if (v !== VERSION) throw notValid(`server does not recognize this encoded version ${JSON.stringify(typeof v === 'string' ? v : '')}`);
  if (!Number.isSafeInteger(rv) || rv === 0) throw notValid(`incorrect encoded start resourceVersion (version ${VERSION})`);
  if (typeof start !== 'string' || start === '') throw notValid(`encoded start key empty (version ${VERSION})`);
  return { revision: rv as number, after: start };
}

function parse(text: string): { v?: unknown; rv?: unknown; start?: unknown } {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return isObject(value) ? value : {};
  } catch (error) {
    throw notValid((error as Error).message, error);
  }
}

function notValid(why: string, cause?: unknown): Error {
  return statusError('BadRequest', `invalid continue token: continue key is not valid: ${why}`, undefined, cause);
}
