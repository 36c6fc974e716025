/** Functions on text: the strings extension, regex, and format. */
import type { Environment } from '@marcbachmann/cel-js';
import { patternOf } from '../validate.ts';
import {
  dns1035LabelProblems,
  dns1123LabelProblems,
  dns1123SubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../../validation/names.ts';
import { hasFormat } from '../formats.ts';
import { declaredClass, optionalOf } from './values.ts';

export function registerText(env: Environment): void {
  env.registerFunction('string.charAt(int): string', (text: string, at: bigint) => [...text][Number(at)] ?? '');
  env.registerFunction('string.replace(string, string): string', (text: string, from: string, to: string) =>
    text.replaceAll(from, () => to),
  );
  env.registerFunction('string.replace(string, string, int): string', (text: string, from: string, to: string, times: bigint) =>
    replaceTimes(text, from, to, Number(times)),
  );
  env.registerFunction('string.reverse(): string', (text: string) => [...text].toReversed().join(''));
  env.registerFunction('string.format(list): string', (text: string, values: unknown[]) => formatted(text, values));
  env.registerFunction('string.find(string): string', (text: string, pattern: string) => regex(pattern).exec(text)?.[0] ?? '');
  env.registerFunction('string.findAll(string): list<string>', (text: string, pattern: string) => allOf(text, pattern, -1n));
  env.registerFunction('string.findAll(string, int): list<string>', allOf);
  registerFormats(env);
  registerEncodings(env);
}

const Base64Namespace = declaredClass('base64');
const StringsNamespace = declaredClass('strings');

/** The encoders extension, and strings.quote. */
function registerEncodings(env: Environment): void {
  env.registerType('kubernetes.Base64', { ctor: Base64Namespace, fields: {} });
  env.registerConstant('base64', 'kubernetes.Base64', new Base64Namespace());
  env.registerFunction('kubernetes.Base64.encode(bytes): string', (_base64: object, bytes: Uint8Array) =>
    Buffer.from(bytes).toString('base64'),
  );
  env.registerFunction('kubernetes.Base64.decode(string): bytes', (_base64: object, text: string) => {
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new Error('illegal base64 data');
    return new Uint8Array(Buffer.from(text, 'base64'));
  });
  env.registerType('kubernetes.Strings', { ctor: StringsNamespace, fields: {} });
  env.registerConstant('strings', 'kubernetes.Strings', new StringsNamespace());
  env.registerFunction('kubernetes.Strings.quote(string): string', (_strings: object, text: string) => JSON.stringify(text));
}

/** Throws for a pattern that cannot be compiled. */
function regex(pattern: string): RegExp {
  const found = patternOf(pattern);
  if (!found) throw new Error(`error parsing regexp: ${pattern}`);
  return found;
}

function allOf(text: string, pattern: string, limit: bigint): string[] {
  const { source, flags } = regex(pattern);
  const found = [...text.matchAll(new RegExp(source, `${flags}g`))].map(([match]) => match);
  return limit < 0n ? found : found.slice(0, Number(limit));
}

function replaceTimes(text: string, from: string, to: string, times: number): string {
  if (times < 0) return text.replaceAll(from, () => to);
  const parts = text.split(from);
  const changed = Math.min(times, parts.length - 1);
  return (
    parts.slice(0, changed + 1).join(to) +
    parts
      .slice(changed + 1)
      .map((part) => from + part)
      .join('')
  );
}

/** printf's verbs, as far as CEL has them: %s %d %f %e %b %x %X %o %%. */
function formatted(text: string, values: readonly unknown[]): string {
  let next = 0;
  return text.replaceAll(/%(?:\.(\d+))?([sdfebxXo%])/g, (_all, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    return verbOf(verb, values[next++], precision === undefined ? 6 : Number(precision));
  });
}

function verbOf(verb: string, value: unknown, precision: number): string {
  switch (verb) {
    case 'd':
      return String(value);
    case 'f':
      return Number(value).toFixed(precision);
    case 'e':
      return Number(value)
        .toExponential(precision)
        .replace(/e([+-])(\d)$/, 'e$10$2');
    case 'b':
      return typeof value === 'boolean' ? String(Number(value)) : (value as bigint).toString(2);
    case 'o':
      return (value as bigint).toString(8);
    case 'x':
    case 'X': {
      const hex = typeof value === 'string' ? Buffer.from(value).toString('hex') : (value as bigint).toString(16);
      return verb === 'X' ? hex.toUpperCase() : hex;
    }
    default:
      return textOf(value);
  }
}

/** `string(x)` of anything. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(', ')}]`;
  if (value instanceof Map)
    return `{${[...value]
      .map(([key, each]) => `${textOf(key)}: ${textOf(each)}`)
      .toSorted()
      .join(', ')}}`;
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  return String(value);
}

class Format {
  readonly problems: (text: string) => string[];

  constructor(problems: (text: string) => string[]) {
    this.problems = problems;
  }
}

const FormatNamespace = declaredClass('format');

/** A trailing dash is no fault in what a name will be made of. */
const asPrefix =
  (rule: (text: string) => string[]) =>
  (text: string): string[] =>
    rule(text.replace(/-$/, 'a'));
const known =
  (name: string) =>
  (text: string): string[] =>
    hasFormat(name, text) ? [] : [`invalid ${name}`];

const NAMED: Readonly<Record<string, Format>> = {
  dns1123Label: new Format(dns1123LabelProblems),
  dns1123Subdomain: new Format(dns1123SubdomainProblems),
  dns1035Label: new Format(dns1035LabelProblems),
  qualifiedName: new Format(qualifiedNameProblems),
  dns1123LabelPrefix: new Format(asPrefix(dns1123LabelProblems)),
  dns1123SubdomainPrefix: new Format(asPrefix(dns1123SubdomainProblems)),
  dns1035LabelPrefix: new Format(asPrefix(dns1035LabelProblems)),
  labelValue: new Format(labelValueProblems),
  uri: new Format(known('uri')),
  uuid: new Format(known('uuid')),
  byte: new Format(known('byte')),
  date: new Format(known('date')),
  datetime: new Format(known('datetime')),
};

function registerFormats(env: Environment): void {
  env.registerType('kubernetes.NamedFormat', { ctor: Format, fields: {} });
  env.registerType('kubernetes.Formats', { ctor: FormatNamespace, fields: {} });
  env.registerConstant('format', 'kubernetes.Formats', new FormatNamespace());
  for (const [name, format] of Object.entries(NAMED))
    env.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => format);
  env.registerFunction('kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>', (_formats: unknown, name: string) =>
    optionalOf(NAMED[name]),
  );
  env.registerFunction('kubernetes.NamedFormat.validate(string): optional<list<string>>', ({ problems }: Format, text: string) => {
    const found = problems(text);
    return optionalOf(found.length > 0 ? found : undefined);
  });
}
