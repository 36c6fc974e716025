import type { Result } from './registry.ts';

/** A Status that says no more than that it was done. */
export function success(status: number): Result {
  return { kind: 'value', status, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: status } };
}
