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

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class Scanner {
  readonly found = new Set<string>();
  readonly #text: string;
  #at = 0;

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

  /** Past the closing quote; gives the string's value. */
  #string(): string {
    const start = this.#at;
    let escaped = false;
    for (this.#at += 1; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        escaped = true;
        this.#at += 1;
      }
    }
    this.#at += 1;
    return escaped ? (JSON.parse(this.#text.slice(start, this.#at)) as string) : this.#text.slice(start + 1, this.#at - 1);
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
