/** What is wrong with a text that is no JSON, in the words of Go's decoder: clients and people know them. Only called when parsing failed. */

const ENDED = 'unexpected end of JSON input';

/** The first fault of `text`. Nesting is followed without recursion, so that deep texts do no harm. */
export function jsonFault(text: string): string {
  return new Scanner(text).fault();
}

type Container = '[' | '{';

class Scanner {
  readonly #text: string;
  #at = 0;
  #found = '';

  constructor(text: string) {
    this.#text = text;
  }

  fault(): string {
    const open: Container[] = [];
    let wants: 'end' | 'firstKey' | 'key' | 'next' | 'value' | 'valueOrEnd' = 'value';
    while (this.#found === '') {
      const char = this.#peek();
      if (wants === 'end') return char === '' ? ENDED : quoted(char, 'after top-level value');
      if (char === '') return ENDED;
      if (wants === 'firstKey' || wants === 'key') {
        if (char === '}' && wants === 'firstKey') {
          this.#at++;
          open.pop();
          wants = open.length > 0 ? 'next' : 'end';
        } else {
          this.#key();
          wants = 'value';
        }
      } else if (wants === 'next') {
        const top = open.at(-1)!;
        if (char === ',') wants = top === '{' ? 'key' : 'value';
        else if (char === (top === '{' ? '}' : ']')) {
          open.pop();
          wants = open.length > 0 ? 'next' : 'end';
        } else return quoted(char, top === '{' ? 'after object key:value pair' : 'after array element');
        this.#at++;
      } else if (char === ']' && wants === 'valueOrEnd') {
        this.#at++;
        open.pop();
        wants = open.length > 0 ? 'next' : 'end';
      } else if (char === '{' || char === '[') {
        this.#at++;
        open.push(char);
        wants = char === '{' ? 'firstKey' : 'valueOrEnd';
      } else {
        this.#scalar(char);
        wants = open.length > 0 ? 'next' : 'end';
      }
    }
    return this.#found;
  }

  /** The next character that is no white space; '' at the end. */
  #peek(): string {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at++;
    return this.#text[this.#at] ?? '';
  }

  #fail(why: string): void {
    const char = this.#text[this.#at];
    this.#found ||= char === undefined ? ENDED : quoted(char, why);
  }

  #key(): void {
    if (this.#peek() !== '"') return this.#fail('looking for beginning of object key string');
    this.#string();
    if (this.#found !== '') return;
    if (this.#peek() !== ':') return this.#fail('after object key');
    this.#at++;
  }

  #scalar(char: string): void {
    if (char === '"') this.#string();
    else if (char === '-' || /\d/.test(char)) this.#number();
    else {
      const word = ['true', 'false', 'null'].find((each) => each.startsWith(char));
      if (word) this.#word(word);
      else this.#fail('looking for beginning of value');
    }
  }

  #word(word: string): void {
    for (const expected of word) {
      if (this.#text[this.#at] !== expected) return this.#fail(`in literal ${word} (expecting '${expected}')`);
      this.#at++;
    }
  }

  #string(): void {
    for (this.#at++; ; this.#at++) {
      const char = this.#text[this.#at];
      if (char === undefined || char < ' ') return this.#fail('in string literal');
      if (char === '"') {
        this.#at++;
        return;
      }
      if (char === '\\' && !this.#escape()) return;
    }
  }

  #escape(): boolean {
    const char = this.#text[++this.#at] ?? '';
    if (char !== '' && '"\\/bfnrt'.includes(char)) return true;
    if (char !== 'u') {
      this.#fail('in string escape code');
      return false;
    }
    for (let digits = 0; digits < 4; digits++) {
      if (/[0-9a-fA-F]/.test(this.#text[++this.#at] ?? '')) continue;
      this.#fail('in \\u hexadecimal character escape');
      return false;
    }
    return true;
  }

  #number(): void {
    if (this.#text[this.#at] === '-') this.#at++;
    if (this.#text[this.#at] === '0') this.#at++;
    else if (!this.#digits()) return this.#fail('in numeric literal');
    if (this.#text[this.#at] === '.') {
      this.#at++;
      if (!this.#digits()) return this.#fail('after decimal point in numeric literal');
    }
    if (!/[eE]/.test(this.#text[this.#at] ?? '')) return;
    this.#at++;
    if (/[-+]/.test(this.#text[this.#at] ?? '')) this.#at++;
    if (!this.#digits()) this.#fail('in exponent of numeric literal');
  }

  #digits(): boolean {
    const start = this.#at;
    while (/\d/.test(this.#text[this.#at] ?? '')) this.#at++;
    return this.#at > start;
  }
}

function quoted(char: string, why: string): string {
  const shown = char === "'" ? "\\'" : char === '"' ? '"' : JSON.stringify(char).slice(1, -1);
  return `invalid character '${shown}' ${why}`;
}
