/**
 * Finds fields that a JSON text names twice in one object, which JSON.parse swallows. One pass over the text, no values are built.
 */

import { statusError } from '../status.ts';

/**
 * Paths in upstream's form (`spec.template.spec.containers[0].image`), each once, in the order found. `bytes` must be valid JSON. Throws
 * StatusError 400 when it is nested too deeply to be walked.
 */
export function findDuplicateFields(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const scanner = new Scanner(text);
  try {
    scanner.value('');
  } catch (error) {
    // The stack ended: some thousand levels, while Go stops at ten thousand.
    if (error instanceof RangeError) throw statusError('BadRequest', 'exceeded max depth', undefined, error);
    throw error;
  }
  return [...scanner.found];
}

class Scanner {
  readonly found = new Set<string>();
  readonly #text: string;
  #at = 0;
  #escape = -1;

  constructor(text: string) {
    this.#text = text;
  }

  value(path: string): void {
    this.#space();
    switch (this.#text[this.#at]) {
      case '{':
        this.#object(path);
        break;
      case '[':
        this.#array(path);
        break;
      case '"':
        this.#string();
        break;
      default:
        while (this.#at < this.#text.length && !/[,\]}\s]/.test(this.#text[this.#at]!)) this.#at += 1;
    }
  }

  #object(path: string): void {
    const seen = new Set<string>();
    this.#at += 1;
    for (this.#space(); this.#at < this.#text.length && this.#text[this.#at] !== '}'; this.#space()) {
      const name = this.#string();
      const inner = path === '' ? name : `${path}.${name}`;
      if (seen.has(name)) this.found.add(inner);
      seen.add(name);
      this.#space();
      this.#at += 1; // the colon
      this.value(inner);
      this.#comma();
    }
    this.#at += 1;
  }

  #array(path: string): void {
    this.#at += 1;
    this.#space();
    for (let index = 0; this.#at < this.#text.length && this.#text[this.#at] !== ']'; index++) {
      this.value(`${path}[${index}]`);
      this.#comma();
    }
    this.#at += 1;
  }

  /** Past the closing quote; gives the string's value. Looks for what ends it in one step: most of a body is inside of long strings. */
  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let escaped = false;
    let quote = this.#quoteFrom(start + 1);
    for (let escape = this.#escapeFrom(start + 1); escape < quote; escape = this.#escapeFrom(escape + 2)) {
      escaped = true;
      // What follows the backslash is no end, whatever it is.
      if (quote === escape + 1) quote = this.#quoteFrom(escape + 2);
    }
    this.#at = quote + 1;
    return escaped ? (JSON.parse(text.slice(start, this.#at)) as string) : text.slice(start + 1, quote);
  }

  #quoteFrom(at: number): number {
    const found = this.#text.indexOf('"', at);
    return found < 0 ? this.#text.length : found;
  }

  /** Where the next backslash is; looked for again only when the last one found lies behind. */
  #escapeFrom(at: number): number {
    if (this.#escape < at) {
      const found = this.#text.indexOf('\\', at);
      this.#escape = found < 0 ? this.#text.length : found;
    }
    return this.#escape;
  }

  #comma(): void {
    this.#space();
    if (this.#text[this.#at] === ',') this.#at += 1;
    this.#space();
  }

  #space(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }
}
