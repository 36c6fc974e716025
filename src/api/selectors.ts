/**
 * Label and field selectors: their text and object forms, parsed once into matchers that many objects are tried against.
 * Grammar and error texts are those of apimachinery's labels.Parse and fields.ParseSelector.
 */
import type { ObjectWithMeta } from './meta.ts';
import type { ResourceInfo } from './schema/schema.ts';
import { INTEGER, LabelParser, requirement, SelectorError } from './selectors-parser.ts';
import type { LabelOperator, LabelRequirement } from './selectors-parser.ts';
import type { LabelSelector as SelectorSpec } from './types.gen.ts';

export { SelectorError };
export type { LabelOperator, LabelRequirement };

export type Labels = Readonly<Record<string, string>> | undefined;

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

const everyLabel = (): boolean => true;

export const EVERYTHING: LabelSelector = {
  requirements: [],
  everything: true,
  nothing: false,
  matches: everyLabel,
  matchesLabels: everyLabel,
};
export const NOTHING: LabelSelector = {
  requirements: [],
  everything: false,
  nothing: true,
  matches: () => false,
  matchesLabels: () => false,
};

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
  const compiled = selector && 'requirements' in selector ? selector : labelSelectorOf(selector);
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
  // Kinds that name their fields themselves leave the namespace out where there is none; all others share one rule.
  const generic = info.selectableFields.length === 0 && !info.custom;
  for (const { field } of selector.requirements) {
    if (field === 'metadata.name' || info.selectableFields.includes(field)) continue;
    if (field === 'metadata.namespace' && (generic || info.namespaced)) continue;
    throw new SelectorError(
      generic
        ? `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
        : (REFUSALS[`${info.group}/${info.kind}`]?.(field, info) ?? `field label not supported: ${field}`),
    );
  }
  return selector;
}

/** Kinds that say it in words of their own. */
const REFUSALS: Readonly<Record<string, (field: string, info: ResourceInfo) => string>> = {
  'batch/Job': (field) => `field label ${JSON.stringify(field)} not supported for Job`,
  'resource.k8s.io/ResourceSlice': (field, { group, version, kind }) =>
    `field label not supported for ${group}/${version}, Kind=${kind}: ${field}`,
};

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
      return (labels) =>
        has(labels) && INTEGER.test(labels[key]!) && (operator === 'gt' ? BigInt(labels[key]!) > bound : BigInt(labels[key]!) < bound);
    }
  }
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
  'spec.host': ['spec.nodeName'],
};

function fieldReader(field: string): (object: ObjectWithMeta) => string {
  const names =
    ALIASES[field] ?? (field.startsWith('involvedObject.') ? [field, `regarding.${field.slice('involvedObject.'.length)}`] : [field]);
  const paths = names.map((name) => name.split('.'));
  const absent = ABSENT[field] ?? '';
  return (object) => {
    for (const path of paths) {
      let value: unknown = object;
      for (const part of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[part] : undefined;
      if (value !== undefined && value !== null && value !== '') return typeof value === 'string' ? value : String(value);
    }
    return absent;
  };
}
