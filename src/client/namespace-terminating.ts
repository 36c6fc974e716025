import { StatusError } from '../api/status.ts';

/** Whether a creation was refused because its namespace is going away: nothing that a controller has to do about it, and no failure. */
export function isNamespaceTerminating(error: unknown): boolean {
  return StatusError.is(error, 'Forbidden') && (error.status.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating');
}
