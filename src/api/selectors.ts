/**
 * Label and field selectors: their text and object forms, parsed once into matchers that many objects are tried against.
 * Grammar and error texts are those of apimachinery's labels.Parse and fields.ParseSelector.
 */
import type { ObjectWithMeta } from './meta.ts';
import type { ResourceInfo } from './schema/schema.ts';
import { labelKeyProblems, labelValueProblems } from './validation/names.ts';
import type { LabelSelector as SelectorSpec } from './types.gen.ts';

export type Labels = Readonly<Record<string, string>> | undefined;

export type LabelOperator = 'in' | 'notin' | '=' | '==' | '!=' | 'gt' | 'lt' | 'exists' | '!';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** A compiled label selector. The empty one matches everything; `NOTHING` (what an absent selector means in a spec) matches nothing. */
export interface LabelSelector {
  readonly requirements: readonly LabelRequirement[];
  /** No requirement: every object matches. */
  readonly everything: boolean;
  /** No object can match. */
  readonly nothing: boolean;
  matches(object: ObjectWithMeta): boolean;
  matchesLabels(labels: Labels): boolean;
}

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[];
  readonly everything: boolean;
  matches(object: ObjectWithMeta): boolean;
  /** The value that `field` must have, when the selector pins one: lets a caller use an index. */
  exact(field: string): string | undefined;
}

/** Text that cannot be a selector: 400 BadRequest at the API, with this message. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
}

const everyLabel = (): boolean => true;

export const EVERYTHING: LabelSelector = { requirements: [], everything: true, nothing: false, matches: everyLabel, matchesLabels: everyLabel };
export const NOTHING: LabelSelector = { requirements: [], everything: false, nothing: true, matches: () => false, matchesLabels: () => false };

/** The selector of a query (`app=web,tier in (a,b),!old`). Empty text matches everything. Throws SelectorError. */
export function parseLabelSelector(text: string): LabelSelector {
  return labelSelectorFrom(new LabelParser(text).parse());
}

/**
 * The selector of a spec (matchLabels and matchExpressions). Absent means nothing, empty means everything, as
 * metav1.LabelSelectorAsSelector has it. Throws SelectorError.
 */
export function labelSelectorOf(spec: SelectorSpec | undefined): LabelSelector {
  if (!spec) return NOTHING;
  const requirements: LabelRequirement[] = Object.entries(spec.matchLabels ?? {}).map(([key, value]) => requirement(key, '=', [value]));
  for (const { key, operator, values = [] } of spec.matchExpressions ?? []) {
    const known = EXPRESSION_OPERATORS[operator];
    if (!known) throw new SelectorError(`"${operator}" is not a valid label selector operator`);
    requirements.push(requirement(key, known, values));
  }
  return labelSelectorFrom(requirements);
}

/** The selector of a plain map, as Services and ReplicationControllers have. Empty and absent match everything. */
export function labelSelectorOfMap(labels: Labels): LabelSelector {
  return labelSelectorFrom(Object.entries(labels ?? {}).map(([key, value]) => ({ key, operator: '=' as const, values: [value] })));
}

/** The text form of a compiled or of a spec selector, requirements sorted by key: what printers show and queries take. */
export function formatLabelSelector(selector: LabelSelector | SelectorSpec | undefined): string {
  const compiled = selector && 'requirements' in selector ? selector : labelSelectorOf(selector as SelectorSpec | undefined);
  return compiled.requirements
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(formatRequirement)
    .join(',');
}

/** The selector of a query (`spec.nodeName=a,status.phase!=Running`). Throws SelectorError. `fieldSelectorFor` also checks the names. */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements = splitTerms(text).map((term) => parseFieldTerm(text, term));
  const tests = requirements.map(({ field, operator, value }) => {
    const read = fieldReader(field);
    return operator === '=' ? (object: ObjectWithMeta) => read(object) === value : (object: ObjectWithMeta) => read(object) !== value;
  });
  return {
    requirements,
    everything: tests.length === 0,
    matches: (object) => tests.every((test) => test(object)),
    exact: (field) => requirements.find((term) => term.field === field && term.operator === '=')?.value,
  };
}

/** As `parseFieldSelector`, for one resource: throws SelectorError for a field that it does not offer. */
export function fieldSelectorFor(info: ResourceInfo, text: string): FieldSelector {
  const selector = parseFieldSelector(text);
  for (const { field } of selector.requirements) {
    if (field === 'metadata.name' || field === 'metadata.namespace' || info.selectableFields.includes(field)) continue;
    const generic = info.selectableFields.length === 0;
    throw new SelectorError(generic ? `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"` : `field label not supported: ${field}`);
  }
  return selector;
}

const EXPRESSION_OPERATORS: Readonly<Record<string, LabelOperator>> = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: '!' };

function labelSelectorFrom(requirements: readonly LabelRequirement[]): LabelSelector {
  if (requirements.length === 0) return EVERYTHING;
  const tests = requirements.map(compile);
  const only = tests[0]!;
  const matchesLabels = tests.length === 1 ? only : (labels: Labels): boolean => tests.every((test) => test(labels));
  return { requirements, everything: false, nothing: false, matchesLabels, matches: (object) => matchesLabels(object.metadata.labels) };
}

function compile({ key, operator, values }: LabelRequirement): (labels: Labels) => boolean {
  const [value] = values;
  const has = (labels: Labels): labels is Readonly<Record<string, string>> => labels !== undefined && Object.hasOwn(labels, key);
  switch (operator) {
    case '=':
    case '==':
      return (labels) => labels?.[key] === value && has(labels);
    case '!=':
      return (labels) => !has(labels) || labels[key] !== value;
    case 'in': {
      const set = new Set(values);
      return (labels) => has(labels) && set.has(labels[key]!);
    }
    case 'notin': {
      const set = new Set(values);
      return (labels) => !has(labels) || !set.has(labels[key]!);
    }
    case 'exists':
      return has;
    case '!':
      return (labels) => !has(labels);
    case 'gt':
    case 'lt': {
      const bound = BigInt(value!);
      return (labels) => has(labels) && INTEGER.test(labels[key]!) && (operator === 'gt' ? BigInt(labels[key]!) > bound : BigInt(labels[key]!) < bound);
    }
  }
}

const INTEGER = /^-?\d+$/;

/** Checks what labels.NewRequirement checks. */
function requirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
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

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}

/** `found` is the token's text; symbols are their own kind, words are `word`, the end is `end`. */
interface Token {
  kind: 'word' | 'end' | '(' | ')' | ',' | '=' | '==' | '!=' | '!' | '<' | '>' | 'unknown';
  found: string;
}

const TOKEN = /\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+|$)/y;
const BINARY = 'in, notin, =, ==, !=, gt, lt';

class LabelParser {
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
      if (token.kind !== 'word' && token.kind !== '!') throw new SelectorError(`found '${token.found}', expected: !, identifier, or 'end of string'`);
      found.push(this.#requirement());
      const after = this.#take();
      if (after.kind === 'end') return found;
      if (after.kind !== ',') throw new SelectorError(`found '${after.found}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.kind !== 'word' && following.kind !== '!') throw new SelectorError(`found '${following.found}', expected: identifier after ','`);
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
    for (let wantsValue = true; ; ) {
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
        throw new SelectorError(wantsValue ? `found '${found}', expected: ',', ')' or identifier` : `found '${found}', expected: ',' or ')'`);
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

/** Splits at commas that no backslash escapes. Empty terms fall away. */
function splitTerms(text: string): string[] {
  return [...text.matchAll(/(?:[^\\,]|\\.|\\$)+/gs)].map(([term]) => term);
}

function parseFieldTerm(text: string, term: string): FieldRequirement {
  const match = /^((?:[^\\=!]|\\.|!(?!=))*?)(==|!=|=)(.*)$/s.exec(term);
  if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
  const [, field, operator, escaped] = match;
  if (/\\(?![\\,=])/.test(escaped!)) throw new SelectorError(`invalid field selector: invalid escape sequence in '${escaped}'`);
  if (/(?<!\\)(?:\\\\)*=/.test(escaped!)) throw new SelectorError(`invalid field selector: unescaped character in '${escaped}': '='`);
  return { field: field!, operator: operator === '!=' ? '!=' : '=', value: escaped!.replaceAll(/\\(.)/gs, '$1') };
}

/** What a field is when the object leaves it out: selectors compare text. */
const ABSENT: Readonly<Record<string, string>> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
  'status.replicas': '0',
  'status.successful': '0',
};

/** Labels that are not paths of the object, or whose path differs between core/v1 and events.k8s.io/v1 events. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  source: ['source.component', 'deprecatedSource.component', 'reportingComponent', 'reportingController'],
  reportingComponent: ['reportingComponent', 'reportingController'],
  reportingController: ['reportingController', 'reportingComponent'],
  'status.successful': ['status.succeeded'],
  name: ['metadata.name'],
};

function fieldReader(field: string): (object: ObjectWithMeta) => string {
  const names = ALIASES[field] ?? (field.startsWith('involvedObject.') ? [field, `regarding.${field.slice('involvedObject.'.length)}`] : [field]);
  const paths = names.map((name) => name.split('.'));
  const absent = ABSENT[field] ?? '';
  return (object) => {
    for (const path of paths) {
      let value: unknown = object;
      for (const part of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined;
      if (value !== undefined && value !== null && value !== '') return typeof value === 'string' ? value : String(value as number | boolean);
    }
    return absent;
  };
}
