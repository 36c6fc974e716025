/**
 * Reads the fact table. Importing costs nothing: the text is split on the first question, a type's fields are made on its first use.
 *
 * Grammar of `facts.gen.ts`: line 0 names the packages, line 1 the enums (values joined by `|`), each further line is a type:
 * `<package>.<Name>[*]` (`*`: atomic for server-side apply), then one tab-separated entry for each field: `<json name> <type> <flags…>`.
 *
 *   types   s string, b boolean, i int32, I int64, d double, B bytes, q quantity, o int-or-string, t time, T micro time, D duration,
 *           a any, R RawExtension, F FieldsV1, J JSON, A/O/S the unions of JSONSchemaProps, e<n> enum, @<n> type (n in base 36),
 *           [<type> array, ]<type> array that protobuf wraps in a message, {<type> map
 *   flags   ! required, p pointer, z zero value is written, #<n>[.<n>…] protobuf number (behind those of inline messages),
 *           l<a|s|mkeys> list type, m<a|g> map type, +strategies, ^merge key, =default (JSON)
 */
import { FACTS } from './facts.gen.ts';
import type { Field, Schema, SchemaType } from './schema.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Table {
  packages: readonly string[];
  enums: readonly string[];
  lines: readonly string[];
  /** Definition name to line. */
  index: ReadonlyMap<string, number>;
}

let table: Table | undefined;
const objects = new Map<string, Schema>();
const simple = new Map<string, Schema>();

const EXTENSIONS = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';
const SCALARS: Readonly<Record<string, Schema>> = {
  s: { type: 'string' },
  b: { type: 'boolean' },
  i: { type: 'integer', format: 'int32' },
  I: { type: 'integer', format: 'int64' },
  d: { type: 'number', format: 'double' },
  B: { type: 'bytes', format: 'byte' },
  q: { type: 'quantity', name: 'io.k8s.apimachinery.pkg.api.resource.Quantity' },
  o: { type: 'intOrString', name: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString' },
  t: { type: 'time', name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Time' },
  T: { type: 'microTime', name: 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime' },
  D: { type: 'duration', name: 'io.k8s.apimachinery.pkg.apis.meta.v1.Duration' },
  a: { type: 'any' },
  R: { type: 'any', name: 'io.k8s.apimachinery.pkg.runtime.RawExtension' },
  F: { type: 'any', name: 'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1' },
  J: { type: 'any', name: `${EXTENSIONS}.JSON` },
  A: { type: 'any', name: `${EXTENSIONS}.JSONSchemaPropsOrArray` },
  O: { type: 'any', name: `${EXTENSIONS}.JSONSchemaPropsOrBool` },
  S: { type: 'any', name: `${EXTENSIONS}.JSONSchemaPropsOrStringArray` },
};

/** The schema of a definition, `io.k8s.api.core.v1.PodSpec`; undefined when the table has none. */
export function definition(name: string): Schema | undefined {
  const number = load().index.get(name);
  return number === undefined ? undefined : objectAt(number, '');
}

/** The names of all definitions in the table. */
export function definitionNames(): readonly string[] {
  return [...load().index.keys()];
}

function load(): Table {
  if (table) return table;
  const [packageLine, enumLine, ...lines] = FACTS.split('\n');
  const packages = packageLine!.split(' ');
  const index = new Map<string, number>();
  for (let number = 0; number < lines.length; number++) {
    const head = headOf(lines[number]!);
    const dot = head.indexOf('.');
    index.set(`${packages[Number(head.slice(0, dot))]}.${head.slice(dot + 1).replace('*', '')}`, number);
  }
  table = { packages, enums: enumLine!.split('\t'), lines, index };
  return table;
}

function headOf(line: string): string {
  const tab = line.indexOf('\t');
  return tab < 0 ? line : line.slice(0, tab);
}

/** `mapType` is what a field's own marker says of the object there; it makes a schema of its own. */
function objectAt(number: number, mapType: '' | 'a' | 'g'): Schema {
  const key = `${number}${mapType}`;
  const known = objects.get(key);
  if (known) return known;
  const { lines, packages } = load();
  const line = lines[number]!;
  const head = headOf(line);
  const dot = head.indexOf('.');
  const schema: Mutable<Schema> = {
    type: 'object',
    name: `${packages[Number(head.slice(0, dot))]}.${head.slice(dot + 1).replace('*', '')}`,
  };
  if (mapType === 'a' || (head.endsWith('*') && mapType !== 'g')) schema.mapType = 'atomic';
  lazily(schema, 'fields', () => fieldsOf(line));
  objects.set(key, schema);
  return schema;
}

/** An own property that is computed on its first read and plain afterwards. */
function lazily<T extends object, K extends keyof T>(target: T, name: K, compute: () => T[K]): void {
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get() {
      const value = compute();
      Object.defineProperty(target, name, { value, configurable: true, enumerable: true, writable: false });
      return value;
    },
  });
}

function fieldsOf(line: string): Readonly<Record<string, Field>> {
  // No prototype: a field named `constructor` in somebody's manifest must not be found.
  const fields = Object.create(null) as Record<string, Field>;
  const entries = line.split('\t');
  for (let at = 1; at < entries.length; at++) {
    const [name, type, ...flags] = entries[at]!.split(' ');
    fields[name!] = fieldOf(type!, flags);
  }
  return fields;
}

function fieldOf(type: string, flags: readonly string[]): Field {
  const field: Mutable<Field> = { schema: schemaOf(type, flags) };
  for (const flag of flags) {
    const value = flag.slice(1);
    switch (flag[0]) {
      case '!':
        field.required = true;
        break;
      case 'p':
        field.pointer = true;
        break;
      case 'z':
        field.keepZero = true;
        break;
      case '#':
        field.protobuf = numberOf(value, type);
        break;
      case '+':
        field.patchStrategy = value.split(',') as Field['patchStrategy'];
        break;
      case '^':
        field.patchMergeKey = value;
        break;
      case '=':
        field.default = JSON.parse(value);
        break;
    }
  }
  return field;
}

function numberOf(value: string, type: string): Field['protobuf'] {
  const numbers = value.split('.').map(Number);
  const number = numbers.pop()!;
  const wire = type === 'd' ? 'fixed64' : /^[biI]$/.test(type) ? 'varint' : 'bytes';
  return numbers.length > 0 ? { number, wire, path: numbers } : { number, wire };
}

function schemaOf(type: string, flags: readonly string[]): Schema {
  const listType = flags.find((flag) => flag[0] === 'l') ?? '';
  const mapType = (flags.find((flag) => flag[0] === 'm')?.[1] ?? '') as '' | 'a' | 'g';
  if (type[0] === '@') return objectAt(Number.parseInt(type.slice(1), 36), mapType);
  const key = `${type} ${listType} ${mapType}`;
  let schema = simple.get(key);
  if (!schema) simple.set(key, (schema = simpleSchema(type, listType, mapType)));
  return schema;
}

function simpleSchema(type: string, listType: string, mapType: '' | 'a' | 'g'): Schema {
  if (type[0] === 'e') return { type: 'string', enum: load().enums[Number.parseInt(type.slice(1), 36)]!.split('|') };
  if (type[0] !== '[' && type[0] !== ']' && type[0] !== '{') return scalar(type);
  const schema: Mutable<Schema> = { type: (type[0] === '{' ? 'map' : 'array') satisfies SchemaType, items: schemaOf(type.slice(1), []) };
  if (type[0] === ']') schema.name = 'wrapped';
  if (listType) {
    schema.listType = listType[1] === 'm' ? 'map' : listType[1] === 's' ? 'set' : 'atomic';
    if (listType[1] === 'm') schema.listMapKeys = listType.slice(2).split(',');
  }
  if (mapType) schema.mapType = mapType === 'a' ? 'atomic' : 'granular';
  return schema;
}

function scalar(letter: string): Schema {
  const schema = SCALARS[letter];
  if (!schema) throw new Error(`the fact table names an unknown type ${letter}`);
  return schema;
}
