/** From a CRD's `openAPIV3Schema` to our form, so that everything that walks schemas serves custom resources too. */
import { isRecord } from '../patch/json.ts';
import type { Field, Schema } from '../schema/schema.ts';
import { definition } from '../schema/table.ts';
import type { JSONSchemaProps } from '../types.gen.ts';

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';

/** The schema of a whole custom object: what its definition says, with the fields that every object has. */
export function rootSchema(node: JSONSchemaProps): Schema {
  const schema = schemaOf({ ...node, type: 'object' });
  return { ...schema, type: 'object', fields: { ...schema.fields, ...objectFields() } };
}

/** One node of a structural schema, and what is below it. */
export function schemaOf(node: JSONSchemaProps): Schema {
  const own = { ...facts(node), rules: rulesOf(node) };
  if (node['x-kubernetes-int-or-string']) return { ...own, type: 'intOrString' };
  switch (node.type) {
    case 'object':
      return isMap(node)
        ? { ...own, type: 'map', items: valueSchema(node.additionalProperties) }
        : { ...own, type: 'object', fields: fieldsOf(node) };
    case 'array':
      return { ...own, type: 'array', items: isRecord(node.items) ? schemaOf(node.items) : ANYTHING };
    case 'string':
    case 'integer':
    case 'number':
    case 'boolean':
      return { ...own, type: node.type, ...(node.format ? { format: node.format } : {}) };
    default:
      // Only what keeps unknown fields may leave its type open; known fields below it are still pruned and defaulted.
      return node.properties || node['x-kubernetes-embedded-resource']
        ? { ...own, type: 'object', fields: fieldsOf(node) }
        : { ...own, type: 'any' };
  }
}

const ANYTHING: Schema = { type: 'any' };

/** `additionalProperties: true` keeps every key with any value. */
function isMap({ additionalProperties, properties }: JSONSchemaProps): boolean {
  return !properties && (additionalProperties === true || isRecord(additionalProperties));
}

function valueSchema(additional: unknown): Schema {
  return isRecord(additional) ? schemaOf(additional) : ANYTHING;
}

function fieldsOf(node: JSONSchemaProps): Readonly<Record<string, Field>> {
  // No prototype: a key named `constructor` is not a field unless the schema has it.
  const fields = Object.create(null) as Record<string, Field>;
  const required = new Set(node.required);
  for (const [name, property] of Object.entries(node.properties ?? {})) fields[name] = fieldOf(property, required.has(name));
  return node['x-kubernetes-embedded-resource'] ? { ...fields, ...objectFields() } : fields;
}

function fieldOf(property: JSONSchemaProps, required: boolean): Field {
  // A default of '' counts for custom resources: nothing there drops empty strings.
  const given = property.default === undefined ? {} : { default: property.default, ...(property.default === '' ? { keepZero: true } : {}) };
  return { schema: schemaOf(property), ...(required ? { required } : {}), ...given };
}

function objectFields(): Record<string, Field> {
  return {
    apiVersion: { schema: { type: 'string' } },
    kind: { schema: { type: 'string' } },
    metadata: { schema: definition(OBJECT_META)! },
  };
}

function facts(node: JSONSchemaProps): Partial<Schema> {
  const listType = node['x-kubernetes-list-type'] as Schema['listType'];
  const mapType = node['x-kubernetes-map-type'] as Schema['mapType'];
  return {
    ...(listType ? { listType } : {}),
    ...(node['x-kubernetes-list-map-keys'] ? { listMapKeys: node['x-kubernetes-list-map-keys'] } : {}),
    ...(mapType ? { mapType } : {}),
    ...(node.nullable ? { nullable: true } : {}),
    ...(node['x-kubernetes-preserve-unknown-fields'] ? { preserveUnknownFields: true } : {}),
    ...(node['x-kubernetes-embedded-resource'] ? { embeddedResource: true } : {}),
  };
}

/** What our form says by itself; the rest of the node is published as it is. */
const EXPRESSED = new Set([
  'type',
  'format',
  'properties',
  'items',
  'additionalProperties',
  'required',
  'default',
  'nullable',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-int-or-string',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
]);

function rulesOf(node: JSONSchemaProps): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(node).filter(([key]) => !EXPRESSED.has(key)));
}
