/** The types that a schema gives to an object in CEL, for checking expressions before anything is evaluated. */
import type { Environment } from '@marcbachmann/cel-js';
import { escapeName } from '../../../api/crd/cel/types.ts';
import { declaredClass } from '../../../api/crd/cel/values.ts';
import type { Schema } from '../../../api/schema/schema.ts';

/** Declares the type of a schema and of everything below it in `env`; returns its name. `prefix` keeps types of several schemas apart. */
export function declareSchema(env: Environment, schema: Schema, prefix: string): string {
  return new Declaration(env).typeOf(schema, prefix);
}

class Declaration {
  readonly #env: Environment;
  /** Recursive types find themselves here. */
  readonly #declared = new Map<Schema, string>();

  constructor(env: Environment) {
    this.#env = env;
  }

  typeOf(schema: Schema, name: string): string {
    if (schema.nullable || schema.preserveUnknownFields) return 'dyn';
    switch (schema.type) {
      case 'object':
        return this.#objectType(schema, name);
      case 'map':
        return `map<string, ${schema.items ? this.typeOf(schema.items, `${name}.values`) : 'dyn'}>`;
      case 'array':
        return `list<${schema.items ? this.typeOf(schema.items, `${name}.items`) : 'dyn'}>`;
      default:
        return SCALARS[schema.type] ?? 'dyn';
    }
  }

  #objectType(schema: Schema, name: string): string {
    const known = this.#declared.get(schema);
    if (known) return known;
    if (!schema.fields) return 'dyn';
    this.#declared.set(schema, name);
    const fields: Record<string, string> = {};
    for (const [field, { schema: own }] of Object.entries(schema.fields)) {
      const escaped = escapeName(field);
      if (escaped) fields[escaped] = this.typeOf(own, `${name}.${escaped}`);
    }
    const ctor = declaredClass(name);
    this.#env.registerType(name, { ctor, fields });
    // Equality is looked for by type; what it says does not matter here.
    this.#env.registerOperator(`${name} == ${name}`, (a, b) => a === b);
    return name;
  }
}

const SCALARS: Partial<Readonly<Record<Schema['type'], string>>> = {
  string: 'string',
  quantity: 'string',
  duration: 'string',
  integer: 'int',
  number: 'double',
  boolean: 'bool',
  time: 'google.protobuf.Timestamp',
  microTime: 'google.protobuf.Timestamp',
  bytes: 'bytes',
};
