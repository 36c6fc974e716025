/** Arithmetic expansion: C's integer expressions over shell variables. */

export interface Variables {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

/** Throws Error in the shell's words. */
export function evaluate(expression: string, variables: Variables): number {
  const tokens = expression.match(TOKENS) ?? [];
  if (tokens.join('') !== expression.replaceAll(/\s+/g, '')) throw syntaxError();
  const reader = new Expression(tokens, variables);
  if (tokens.length === 0) return 0;
  const value = reader.comma();
  if (!reader.done) throw syntaxError();
  return value;
}

const TOKENS =
  /0[xX][0-9a-fA-F]+|[0-9]+|[A-Za-z_][A-Za-z0-9_]*|<<=|>>=|\*\*|\+\+|--|&&|\|\||<<|>>|[-+*/%&|^]=|[<>=!]=|[-+*/%<>=!~&|^?:(),]/g;

/** Loosest first; all of them group to the left. */
const BINARY: readonly Readonly<Record<string, (a: number, b: number) => number>>[] = [
  { '|': (a, b) => a | b },
  { '^': (a, b) => a ^ b },
  { '&': (a, b) => a & b },
  { '==': (a, b) => Number(a === b), '!=': (a, b) => Number(a !== b) },
  { '<': (a, b) => Number(a < b), '<=': (a, b) => Number(a <= b), '>': (a, b) => Number(a > b), '>=': (a, b) => Number(a >= b) },
  { '<<': (a, b) => a << b, '>>': (a, b) => a >> b },
  { '+': (a, b) => a + b, '-': (a, b) => a - b },
  { '*': (a, b) => a * b, '/': (a, b) => Math.trunc(a / nonZero(b)), '%': (a, b) => a % nonZero(b) },
  { '**': (a, b) => a ** b },
];
const ASSIGN = new Set(['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>=']);

class Expression {
  readonly #tokens: readonly string[];
  readonly #variables: Variables;
  #at = 0;

  constructor(tokens: readonly string[], variables: Variables) {
    this.#tokens = tokens;
    this.#variables = variables;
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  comma(): number {
    let value = this.#assignment();
    while (this.#take(',')) value = this.#assignment();
    return value;
  }

  #assignment(): number {
    const name = this.#tokens[this.#at] ?? '';
    const operator = this.#tokens[this.#at + 1] ?? '';
    if (!/^[A-Za-z_]/.test(name) || !ASSIGN.has(operator)) return this.#conditional();
    this.#at += 2;
    const right = this.#assignment();
    const value = operator === '=' ? right : binary(operator.slice(0, -1))(this.#variable(name), right);
    this.#variables.set(name, String(value));
    return value;
  }

  #conditional(): number {
    const condition = this.#or();
    if (!this.#take('?')) return condition;
    const [yes, no] = [this.#assignment(), this.#take(':') ? this.#assignment() : fail()];
    return condition === 0 ? no : yes;
  }

  #or(): number {
    let value = this.#and();
    while (this.#take('||')) value = Number(this.#and() !== 0 || value !== 0);
    return value;
  }

  #and(): number {
    let value = this.#binary(0);
    while (this.#take('&&')) value = Number(this.#binary(0) !== 0 && value !== 0);
    return value;
  }

  #binary(level: number): number {
    const operators = BINARY[level];
    if (!operators) return this.#unary();
    let value = this.#binary(level + 1);
    for (let operator = operators[this.#tokens[this.#at] ?? '']; operator; operator = operators[this.#tokens[this.#at] ?? '']) {
      this.#at++;
      value = operator(value, this.#binary(level + 1));
    }
    return value;
  }

  #unary(): number {
    if (this.#take('-')) return -this.#unary();
    if (this.#take('+')) return this.#unary();
    if (this.#take('!')) return Number(this.#unary() === 0);
    if (this.#take('~')) return ~this.#unary();
    for (const [sign, step] of [
      ['++', 1],
      ['--', -1],
    ] as const)
      if (this.#take(sign)) return this.#step(this.#tokens[this.#at++] ?? '', step);
    return this.#primary();
  }

  #primary(): number {
    if (this.#take('(')) {
      const value = this.comma();
      return this.#take(')') ? value : fail();
    }
    const token = this.#tokens[this.#at++];
    if (token === undefined) return fail();
    if (/^[0-9]/.test(token)) return /^0[0-7]+$/.test(token) ? Number.parseInt(token, 8) : Number(token);
    if (!/^[A-Za-z_]/.test(token)) return fail();
    const value = this.#variable(token);
    if (this.#take('++')) this.#variables.set(token, String(value + 1));
    else if (this.#take('--')) this.#variables.set(token, String(value - 1));
    return value;
  }

  #step(name: string, by: number): number {
    const value = this.#variable(name) + by;
    this.#variables.set(name, String(value));
    return value;
  }

  #variable(name: string): number {
    const text = this.#variables.get(name) ?? '';
    if (text === '') return 0;
    const value = Number(text);
    return Number.isInteger(value) ? value : fail();
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }
}

function binary(operator: string): (a: number, b: number) => number {
  return BINARY.find((level) => operator in level)![operator]!;
}

function nonZero(value: number): number {
  if (value === 0) throw new Error('divide by zero');
  return value;
}

const syntaxError = (): Error => new Error('arithmetic syntax error');

function fail(): never {
  throw syntaxError();
}
