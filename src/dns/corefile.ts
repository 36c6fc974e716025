/**
 * The Corefile: server blocks of zones, each with plugins, each with arguments and a block of its own. Errors name the line.
 *
 *     example.org:1053 cluster.local {
 *         forward . 192.0.2.1 { max_fails 2 }     # directive, arguments, block
 *     }
 */
export interface Directive {
  name: string;
  args: readonly string[];
  block: readonly Directive[];
  line: number;
}

export interface ServerBlock {
  /** Canonical: no closing dot; the root is ''. */
  zones: readonly string[];
  port: number;
  directives: readonly Directive[];
  line: number;
}

/** What is wrong with a Corefile, and where: `Corefile:3 - Error during parsing: …`. */
export class CorefileError extends Error {
  override name = 'CorefileError';

  constructor(line: number, message: string) {
    super(`Corefile:${line} - Error during parsing: ${message}`);
  }
}

const DEFAULT_PORT = 53;

/** Reads a Corefile; `environment` gives the values of `{$NAME}`. One block per port and set of zones. */
export function parseCorefile(text: string, environment: Readonly<Record<string, string | undefined>> = {}): ServerBlock[] {
  const parser = new Parser(tokenize(text.replaceAll(/\{\$(\w+)\}/g, (_, name: string) => environment[name] ?? '')));
  const blocks = parser.serverBlocks();
  if (blocks.length === 0) throw new CorefileError(1, 'there is no server block');
  const seen = new Set<string>();
  for (const { zones, port, line } of blocks) {
    for (const zone of zones) {
      const key = `${zone || '.'}:${port}`;
      if (seen.has(key)) throw new CorefileError(line, `cannot serve dns://${key} - it is already defined`);
      seen.add(key);
    }
  }
  return blocks;
}

interface Token {
  text: string;
  line: number;
  quoted: boolean;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [index, row] of text.split('\n').entries()) {
    const line = index + 1;
    for (const [whole, quoted] of row.matchAll(/"((?:[^"\\]|\\.)*)"|#.*|[^\s"#][^\s]*/g)) {
      if (whole.startsWith('#')) continue;
      tokens.push(
        quoted === undefined ? { text: whole, line, quoted: false } : { text: quoted.replaceAll('\\"', '"'), line, quoted: true },
      );
    }
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #position = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  serverBlocks(): ServerBlock[] {
    const blocks: ServerBlock[] = [];
    for (let token = this.#peek(); token; token = this.#peek()) blocks.push(...this.#serverBlock(token));
    return blocks;
  }

  #serverBlock(first: Token): ServerBlock[] {
    const keys: string[] = [];
    for (;;) {
      const token = this.#next(first.line, "expected '{' after the zones");
      if (isBrace(token, '{')) break;
      if (isBrace(token, '}')) throw new CorefileError(token.line, "unexpected '}', a server block begins with its zones");
      keys.push(...token.text.split(',').filter(Boolean));
    }
    if (keys.length === 0) throw new CorefileError(first.line, "a server block begins with its zones, as in '.:53 {'");
    const directives = this.#directives(first.line);
    const zones = keys.map((key) => parseZone(key, first.line));
    const byPort = Map.groupBy(zones, ({ port }) => port);
    return [...byPort].map(([port, ofPort]) => ({ zones: ofPort.map(({ zone }) => zone), port, directives, line: first.line }));
  }

  /** Everything up to the closing brace: one directive a line. */
  #directives(openedAt: number): Directive[] {
    const directives: Directive[] = [];
    for (;;) {
      const token = this.#next(openedAt, "unexpected end of file, expected '}'");
      if (isBrace(token, '}')) return directives;
      if (isBrace(token, '{')) throw new CorefileError(token.line, "unexpected '{', a block belongs to a directive");
      directives.push(this.#directive(token));
    }
  }

  #directive({ text: name, line }: Token): Directive {
    const args: string[] = [];
    for (let token = this.#peek(); token && token.line === line; token = this.#peek()) {
      if (isBrace(token, '}')) break;
      this.#position++;
      if (isBrace(token, '{')) return { name, args, block: this.#directives(line), line };
      args.push(token.text);
    }
    return { name, args, block: [], line };
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#position];
  }

  #next(line: number, otherwise: string): Token {
    const token = this.#tokens[this.#position++];
    if (!token) throw new CorefileError(this.#tokens.at(-1)?.line ?? line, otherwise);
    return token;
  }
}

const isBrace = (token: Token, brace: '{' | '}'): boolean => !token.quoted && token.text === brace;

/** `dns://example.org.:1053`, `.`, `10.0.0.0/24` (its reverse zone). */
function parseZone(key: string, line: number): { zone: string; port: number } {
  const [, scheme = 'dns', rest = ''] = /^(?:(\w+):\/\/)?(.*)$/.exec(key)!;
  if (scheme !== 'dns') throw new CorefileError(line, `the protocol "${scheme}" is not served; only dns is`);
  const [, host = '', portText] = /^(.*?)(?::(\d+))?$/.exec(rest)!;
  const port = portText === undefined ? DEFAULT_PORT : Number(portText);
  if (port > 65_535) throw new CorefileError(line, `"${portText}" is not a port`);
  return { zone: normalizeZone(host, line), port };
}

/** A zone's name in canonical form, or the reverse zone of a range whose length ends between two labels. */
export function normalizeZone(text: string, line: number): string {
  const range = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(text);
  if (range) {
    const bits = Number(range[5]);
    if (bits % 8 !== 0 || bits > 32) throw new CorefileError(line, `the range "${text}" must end at a whole number of bytes`);
    return `${range
      .slice(1, 1 + bits / 8)
      .toReversed()
      .join('.')}.in-addr.arpa`;
  }
  if (!/^[\w.*-]*$/.test(text)) throw new CorefileError(line, `"${text}" is not a zone`);
  return text.toLowerCase().replace(/\.$/, '');
}
