/** From our schemas to OpenAPI nodes, in the dialect of version 2 or 3. */
import type { Field, Schema } from '../schema/schema.ts';
import type { Descriptions } from './descriptions.ts';

export type Node = Record<string, unknown>;

/** Collects the definitions that a document needs while its nodes are made. */
export class Definitions {
  readonly nodes: Record<string, Node> = {};
  readonly #version: 2 | 3;
  readonly #descriptions: Descriptions;
  readonly #kinds: ReadonlyMap<string, readonly Node[]>;

  /** `kinds`: definition name to its group, version and kind. */
  constructor(version: 2 | 3, descriptions: Descriptions, kinds: ReadonlyMap<string, readonly Node[]>) {
    this.#version = version;
    this.#descriptions = descriptions;
    this.#kinds = kinds;
  }

  /** `{ $ref }` to a named schema, adding its definition and all that it needs. `name` is for schemas that have none of their own. */
  reference(schema: Schema, name = schema.name): Node {
    if (name === undefined) return this.node(schema);
    if (!this.nodes[name]) {
      // Entered before it is complete: schemas may refer to themselves.
      const target: Node = {};
      this.nodes[name] = target;
      const description = this.#descriptions[name]?.[''];
      Object.assign(
        target,
        description ? { description } : {},
        schema.type === 'object' ? this.#object(schema, name) : this.#special(schema),
      );
      const kinds = this.#kinds.get(name);
      if (kinds) target['x-kubernetes-group-version-kind'] = kinds;
    }
    return { $ref: `#/${this.#version === 3 ? 'components/schemas' : 'definitions'}/${name}` };
  }

  /** The node of a schema where it is used. */
  node(schema: Schema): Node {
    if (schema.name && schema.type !== 'array') return this.reference(schema);
    switch (schema.type) {
      case 'object':
        return this.#object(schema, '');
      case 'map':
        return {
          type: 'object',
          ...(schema.items ? { additionalProperties: this.#element(schema.items) } : {}),
          ...this.#rules(schema),
          ...extensions(schema),
        };
      case 'array':
        return {
          type: 'array',
          ...(schema.items ? { items: this.#element(schema.items) } : {}),
          ...this.#rules(schema),
          ...extensions(schema),
        };
      case 'any':
        return { ...this.#rules(schema), ...extensions(schema) };
      case 'intOrString':
        return { ...this.#rules(schema), 'x-kubernetes-int-or-string': true };
      case 'bytes':
        return { type: 'string', format: 'byte' };
      default:
        return {
          type: schema.type,
          ...(schema.format ? { format: schema.format } : {}),
          ...(schema.enum ? { enum: schema.enum } : {}),
          ...this.#rules(schema),
          ...extensions(schema),
        };
    }
  }

  /** What version 2 has no words for stays out of it, or its clients would refuse what the server accepts (upstream's ToStructuralOpenAPIV2). */
  #rules({ rules = {} }: Schema): Node {
    return this.#version === 3 ? rules : Object.fromEntries(Object.entries(rules).filter(([key]) => !ONLY_VERSION_3.has(key)));
  }

  #object(schema: Schema, name: string): Node {
    const texts = this.#descriptions[name] ?? (schema.rules && schema.fields?.['metadata'] ? this.#objectTexts() : undefined);
    // Clients of version 2 take a list of properties for all there may be.
    const open = this.#version === 2 && schema.rules !== undefined && schema.preserveUnknownFields === true;
    const entries = Object.entries(open ? {} : (schema.fields ?? {})).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const required = entries.filter(([, field]) => field.required).map(([field]) => field);
    return {
      type: 'object',
      ...(entries.length > 0
        ? { properties: Object.fromEntries(entries.map(([field, facts]) => [field, this.#field(facts, texts?.[field])])) }
        : {}),
      ...(required.length > 0 ? { required } : {}),
      ...this.#rules(schema),
      ...(name === '' || schema.rules ? extensions(schema) : mapTypeOf(schema)),
    };
  }

  /** The fields that every object has mean the same in a custom one. */
  #objectTexts(): Readonly<Record<string, string | undefined>> {
    const { apiVersion, kind, metadata } = this.#descriptions[POD] ?? {};
    return { apiVersion, kind, metadata };
  }

  #field(field: Field, description: string | undefined): Node {
    const extras: Node = {};
    const type = field.schema.name ?? '';
    // The texts have none for fields of a type of its own: what the type is says more than nothing.
    const ofType = field.schema.type === 'object' ? this.#descriptions[type]?.[''] : undefined;
    const text = description ?? (ofType && (COMMON_TEXTS[type] ?? ofType));
    if (text) extras['description'] = text;
    const value = defaultOf(field);
    if (value !== undefined) extras['default'] = value;
    if (field.patchStrategy) extras['x-kubernetes-patch-strategy'] = field.patchStrategy.join(',');
    if (field.patchMergeKey) extras['x-kubernetes-patch-merge-key'] = field.patchMergeKey;
    if (field.schema.name && field.schema.mapType) extras['x-kubernetes-map-type'] = field.schema.mapType;
    return this.#joined(this.node(field.schema), extras);
  }

  #element(items: Schema): Node {
    const value = items.name && items.type === 'object' ? {} : items.type === 'string' && !items.rules ? '' : undefined;
    return this.#joined(this.node(items), value === undefined || this.#version === 2 ? {} : { default: value });
  }

  /** In version 3 a reference stands alone; what is said beside it goes around an allOf. */
  #joined(node: Node, extras: Node): Node {
    if (Object.keys(extras).length === 0) return node;
    if (node['$ref'] && this.#version === 3) return { allOf: [node], ...extras };
    return { ...node, ...extras };
  }

  #special(schema: Schema): Node {
    switch (schema.type) {
      case 'quantity':
        return this.#version === 3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' };
      case 'intOrString':
        return this.#version === 3
          ? { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' }
          : { type: 'string', format: 'int-or-string' };
      case 'time':
      case 'microTime':
        return { type: 'string', format: 'date-time' };
      case 'duration':
        return { type: 'string' };
      default:
        // RawExtension and FieldsV1 are objects; JSON and the unions of JSONSchemaProps may be anything.
        return schema.name!.includes('.JSON') ? {} : { type: 'object' };
    }
  }
}

/** Fields of these types have no text of their own, and what the type says of itself is shown besides. */
const COMMON_TEXTS: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': 'Standard metadata of an object: its name, namespace, labels, annotations and owners.',
  'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta': 'Standard metadata of a list: its version, and where it goes on.',
};

const POD = 'io.k8s.api.core.v1.Pod';
const ONLY_VERSION_3 = new Set(['allOf', 'anyOf', 'oneOf', 'not']);

/** kube-openapi's rule: structs default to `{}`, scalars that are always written to their zero. */
function defaultOf({ default: given, keepZero, pointer, schema, required }: Field): unknown {
  if (given !== undefined) return given;
  if (pointer || (!keepZero && !required)) return undefined;
  switch (schema.type) {
    case 'object':
      return schema.name && keepZero ? {} : undefined;
    case 'string':
      return keepZero ? '' : undefined;
    case 'integer':
      return keepZero ? 0 : undefined;
    case 'boolean':
      return keepZero ? false : undefined;
    default:
      return undefined;
  }
}

function mapTypeOf(schema: Schema): Node {
  return schema.mapType ? { 'x-kubernetes-map-type': schema.mapType } : {};
}

function extensions(schema: Schema): Node {
  const node: Node = mapTypeOf(schema);
  if (schema.listType) node['x-kubernetes-list-type'] = schema.listType;
  if (schema.listMapKeys) node['x-kubernetes-list-map-keys'] = schema.listMapKeys;
  if (schema.nullable) node['nullable'] = true;
  if (schema.preserveUnknownFields) node['x-kubernetes-preserve-unknown-fields'] = true;
  if (schema.embeddedResource) node['x-kubernetes-embedded-resource'] = true;
  return node;
}
