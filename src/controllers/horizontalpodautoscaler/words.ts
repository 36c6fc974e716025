/** What an error says, for conditions and events. Errors of this folder quote their cause in upstream's words, so the cause's own are left out. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
