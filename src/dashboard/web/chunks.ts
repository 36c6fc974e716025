/** Texts that arrive when they do and are read when somebody has time; none is lost. One reader. */
export class Chunks implements AsyncIterable<string> {
  #waiting: string[] = [];
  #over: { error?: Error } | undefined;
  #wake: (() => void) | undefined;

  push(text: string): void {
    this.#waiting.push(text);
    this.#wake?.();
  }

  end(): void {
    this.#over ??= {};
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#over ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    for (;;) {
      const texts = this.#waiting;
      this.#waiting = [];
      if (texts.length > 0) yield texts.join('');
      else if (this.#over) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#over.error) throw this.#over.error;
  }
}

/** Whole lines, in batches; what follows the last line break waits for its own. */
export async function* lineBatches(chunks: AsyncIterable<string>): AsyncGenerator<string[]> {
  let rest = '';
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    if (lines.length > 0) yield lines;
  }
  if (rest) yield [rest];
}
