import { statusError } from '../../api/status.ts';

/** Where a list goes on. */
export interface ContinueToken {
  /** The revision of the first page; -1: whatever is current, the client accepted inconsistency. */
  revision: number;
  /** The last key that was sent. */
  after: string;
}

/** Opaque to clients: upstream's form, base64url of `{"v":"meta.k8s.io/v1","rv":…,"start":…}`. */
export function encodeContinue({ revision, after }: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: after })).toString('base64url');
}

/** Throws StatusError 400. */
export function decodeContinue(text: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString()) as { v?: unknown; rv?: unknown; start?: unknown };
    if (v === 'meta.k8s.io/v1' && Number.isSafeInteger(rv) && rv !== 0 && typeof start === 'string' && start !== '')
      return { revision: rv as number, after: start };
  } catch (error) {
    throw statusError('BadRequest', `continue key is not valid: ${(error as Error).message}`, undefined, error);
  }
  throw statusError('BadRequest', 'continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)');
}
