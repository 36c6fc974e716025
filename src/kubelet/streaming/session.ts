/** What the two wire forms of a streaming session (SPDY and WebSocket) have in common. */
import type { Status } from '../../api/types.gen.ts';
import type { StreamOptions } from '../runtime/runtime.ts';

export type StreamKind = { kind: 'exec' | 'attach'; options: StreamOptions } | { kind: 'portForward'; ports: readonly number[] };

export type ExitResult = { exitCode: number } | { error: string };

/** How a command ended, as kubectl reads it from the error stream. */
export function exitStatus(result: ExitResult): Status {
  if ('error' in result)
    return {
      metadata: {},
      status: 'Failure',
      message: result.error,
      reason: 'InternalError',
      code: 500,
      details: { causes: [{ message: result.error }] },
    };
  if (result.exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${result.exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(result.exitCode) }] },
  };
}

/** The form of version 1 of the protocols: plain text, and nothing for success. */
export function exitText(result: ExitResult): string {
  if ('error' in result) return result.error;
  return result.exitCode === 0 ? '' : `command terminated with non-zero exit code: exit status ${result.exitCode}`;
}

/** Sizes come as JSON texts `{"Width":80,"Height":24}`, one or more in a chunk. */
export function parseSizes(text: string): { width: number; height: number }[] {
  const sizes: { width: number; height: number }[] = [];
  for (const found of text.matchAll(/\{[^}]*\}/g)) {
    const { Width = 0, Height = 0 } = JSON.parse(found[0]) as { Width?: number; Height?: number };
    sizes.push({ width: Width, height: Height });
  }
  return sizes;
}

/** Values pushed from one side, iterated on the other; ends once `end` was called. Holds what nobody has read yet. */
export class PushIterable<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  push(value: T): void {
    this.#values.push(value);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const value = this.#values.shift();
      if (value !== undefined) yield value;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
