/** The JSONPath of printer columns (kubectl's dialect): fields, indexes, slices, `[*]`, `..name` and simple filters. */
import { isRecord } from '../patch/json.ts';

/** Reads the values that a path finds, in order; none when it leads nowhere. */
export type JsonPath = (value: unknown) => unknown[];

/** Throws SyntaxError for a path that is not understood. `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status` */
export function jsonPath(text: string): JsonPath {
  const steps = stepsOf(text);
  return (value) => steps.reduce<unknown[]>((found, step) => found.flatMap(step), [value]);
}

/** The names of a path that is nothing but fields, `.spec.replicas`; undefined for any other. */
export function simplePath(text: string): string[] | undefined {
  return /^(?:\.[A-Za-z_][-\w]*)+$/.test(text) ? text.slice(1).split('.') : undefined;
}

type Step = (value: unknown) => unknown[];

const TOKEN =
  /\.\.(?<deep>[-\w]+)|\.(?<field>(?:[-\w/]|\\.)+)|\.?\[\s*(?:'(?<single>(?:[^'\\]|\\.)*)'|"(?<double>(?:[^"\\]|\\.)*)"|(?<star>\*)|\?\((?<filter>.*?)\)|(?<from>-?\d*)\s*:\s*(?<to>-?\d*)|(?<index>-?\d+))\s*\]|(?<all>\.\*)/gy;

function stepsOf(text: string): Step[] {
  const source = /^\{.*\}$/s.test(text) ? text.slice(1, -1) : text;
  const path = source.replace(/^\$/, '');
  if (path === '' || path === '.') return [];
  const steps: Step[] = [];
  let at = 0;
  while (at < path.length) {
    // Said each time: a filter's own path is read in between.
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(path);
    if (!match) throw new SyntaxError(`unrecognized character in action: ${JSON.stringify(path.slice(at))}`);
    at = TOKEN.lastIndex;
    steps.push(stepOf(match.groups!));
  }
  return steps;
}

function stepOf(token: Readonly<Record<string, string | undefined>>): Step {
  const { deep, field, single, double, filter, from, to, index } = token;
  if (deep !== undefined) return (value) => descendants(value, deep);
  const name = field ?? single ?? double;
  if (name !== undefined) return member(name.replaceAll(/\\(.)/g, '$1'));
  if (filter !== undefined) return filterOf(filter);
  if (index !== undefined) return (value) => (Array.isArray(value) ? present(value.at(Number(index))) : []);
  if (from !== undefined) return (value) => (Array.isArray(value) ? value.slice(Number(from || 0), to ? Number(to) : undefined) : []);
  return (value) => (Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []);
}

const present = (value: unknown): unknown[] => (value === undefined ? [] : [value]);

function member(name: string): Step {
  return (value) => (isRecord(value) && Object.hasOwn(value, name) ? [value[name]] : []);
}

function descendants(value: unknown, name: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => descendants(item, name));
  if (!isRecord(value)) return [];
  return [...member(name)(value), ...Object.values(value).flatMap((inner) => descendants(inner, name))];
}

const FILTER = /^\s*@(?<path>[^=!<>]*?)\s*(?:(?<operator>==|!=|<=|>=|<|>)\s*(?<value>.+?))?\s*$/;

function filterOf(text: string): Step {
  const { path, operator, value } = FILTER.exec(text)?.groups ?? {};
  if (path === undefined) throw new SyntaxError(`unrecognized filter ${JSON.stringify(text)}`);
  const read = jsonPath(path);
  const test = operator ? comparison(operator, literal(value!)) : undefined;
  const keeps = (item: unknown): boolean => {
    const [found] = read(item);
    return test ? found !== undefined && test(found) : found !== undefined;
  };
  return (list) => (Array.isArray(list) ? list.filter(keeps) : []);
}

function literal(text: string): unknown {
  const quoted = /^(?:"(.*)"|'(.*)')$/s.exec(text);
  if (quoted) return quoted[1] ?? quoted[2];
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d+(?:\.\d+)?$/.test(text)) return Number(text);
  throw new SyntaxError(`unrecognized literal ${JSON.stringify(text)}`);
}

function comparison(operator: string, right: unknown): (left: unknown) => boolean {
  const wanted = right as number;
  switch (operator) {
    case '==':
      return (left) => left === right;
    case '!=':
      return (left) => left !== right;
    case '<':
      return (left) => (left as number) < wanted;
    case '<=':
      return (left) => (left as number) <= wanted;
    case '>':
      return (left) => (left as number) > wanted;
    default:
      return (left) => (left as number) >= wanted;
  }
}
