/** A failure told to a person. `code` is a row of the table in `cluster/reasons.ts`, which also gives advice and exit code. */
export class RockpoolError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly advice: readonly string[];

  constructor(code: string, message: string, options: { exitCode: number; advice?: readonly string[]; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'RockpoolError';
    this.code = code;
    this.exitCode = options.exitCode;
    this.advice = options.advice ?? [];
  }
}

/** What a caught value says, with the chain of its causes. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${errorMessage(error.cause)}` : error.message;
}

/** The system error code (`ENOENT`, `ECONNREFUSED`) of a caught value, if it has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
