/** The text of label selectors, taken apart (the grammar of apimachinery's labels.Parse). */
import { labelKeyProblems, labelValueProblems } from './validation/names.ts';

export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** Text that cannot be a selector: 400 BadRequest at the API, with this message. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

/** `found` is the token's text; symbols are their own kind, words are `word`, the end is `end`. */
interface Token {
  kind: 'word' | 'end' | '(' | ')' | ',' | '=' | '==' | '!=' | '!' | '<' | '>' | 'unknown';
  found: string;
}

const TOKEN = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)/y;
const BINARY = 'in, notin, =, ==, !=, gt, lt';

/** Parses one text once. Throws SelectorError. */
export class LabelParser {
  readonly #tokens: Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): LabelRequirement[] {
    const found: LabelRequirement[] = [];
    if (this.#peek().kind === 'end') return found;
    for (;;) {
      const token = this.#peek();
      if (token.kind !== 'word' && token.kind !== '!')
        throw new SelectorError(`found '${token.found}', expected: !, identifier, or 'end of string'`);
      found.push(this.#requirement());
      const after = this.#take();
      if (after.kind === 'end') return found;
      if (after.kind !== ',') throw new SelectorError(`found '${after.found}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.kind !== 'word' && following.kind !== '!')
        throw new SelectorError(`found '${following.found}', expected: identifier after ','`);
    }
  }

  #requirement(): LabelRequirement {
    try {
      return this.#parseRequirement();
    } catch (error) {
      if (error instanceof SelectorError) throw new SelectorError(`unable to parse requirement: ${error.message}`);
      throw error;
    }
  }

  #parseRequirement(): LabelRequirement {
    let token = this.#take();
    const negated = token.kind === '!';
    if (negated) token = this.#take();
    if (token.kind !== 'word') throw new SelectorError(`found '${token.found}', expected: identifier`);
    if (negated) return requirement(token.found, '!', []);
    const ahead = this.#peek().kind;
    if (ahead === 'end' || ahead === ',') return requirement(token.found, 'exists', []);
    const operator = this.#operator();
    return requirement(token.found, operator, operator === 'in' || operator === 'notin' ? this.#set() : this.#exactValue());
  }

  #operator(): LabelOperator {
    const { kind, found } = this.#take();
    if (kind === '=' || kind === '==' || kind === '!=') return kind;
    if (kind === '>') return 'gt';
    if (kind === '<') return 'lt';
    if (kind === 'word' && (found === 'in' || found === 'notin')) return found;
    throw new SelectorError(`found '${found}', expected: ${BINARY}`);
  }

  #exactValue(): string[] {
    const { kind, found } = this.#peek();
    if (kind === 'end' || kind === ',') return [''];
    if (kind !== 'word') throw new SelectorError(`found '${found}', expected: identifier`);
    this.#take();
    return [found];
  }

  #set(): string[] {
    const open = this.#take();
    if (open.kind !== '(') throw new SelectorError(`found '${open.found}' expected: '('`);
    const values = new Set<string>();
    for (let wantsValue = true; ;) {
      const { kind, found } = this.#take();
      if (kind === 'word' && wantsValue) {
        values.add(found);
        wantsValue = false;
      } else if (kind === ',') {
        if (wantsValue) values.add('');
        wantsValue = true;
      } else if (kind === ')') {
        if (wantsValue && this.#tokens[this.#next - 2]!.kind === ',') values.add('');
        return [...values];
      } else {
        throw new SelectorError(
          wantsValue ? `found '${found}', expected: ',', ')' or identifier` : `found '${found}', expected: ',' or ')'`,
        );
      }
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next]!;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next++;
    return token;
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (;;) {
    const found = TOKEN.exec(text)?.[1] ?? '';
    if (found === '') break;
    tokens.push({ kind: /^[=!(),<>]/.test(found) ? (found as Token['kind']) : 'word', found });
  }
  tokens.push({ kind: 'end', found: '' });
  return tokens;
}

/** What `gt` and `lt` compare. */
export const INTEGER = /^-?\d+$/;

/** Checks what labels.NewRequirement checks. */
export function requirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  const [keyProblem] = labelKeyProblems(key);
  if (keyProblem) throw new SelectorError(`key: Invalid value: "${key}": ${keyProblem}`);
  const sorted = values.toSorted();
  if ((operator === 'in' || operator === 'notin') && sorted.length === 0) {
    throw new SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  }
  if ((operator === 'exists' || operator === '!') && sorted.length > 0) {
    throw new SelectorError(`values: Invalid value: ["${sorted.join('","')}"]: values set must be empty for exists and does not exist`);
  }
  for (const [index, value] of sorted.entries()) {
    if ((operator === 'gt' || operator === 'lt') && !INTEGER.test(value)) {
      throw new SelectorError(`values[${index}]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`);
    }
    const [problem] = labelValueProblems(value);
    if (problem) throw new SelectorError(`values[${index}][${key}]: Invalid value: "${value}": ${problem}`);
  }
  return { key, operator, values: sorted };
}
