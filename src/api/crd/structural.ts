/**
 * What makes an OpenAPI schema structural (API reference, "Specifying a structural schema"): every field has a type outside of the logical
 * junctors, and these only narrow what is there. Also what a CRD may not say at all.
 */
import { isRecord } from '../patch/json.ts';
import type { FieldError } from '../status.ts';
import type { JSONSchemaProps } from '../types.gen.ts';
import { pruneObject } from '../decode.ts';
import { forbidden, invalidValue, required, unsupported } from './findings.ts';
import { schemaOf } from './schema.ts';
import { patternOf, validateValue } from './validate.ts';

/** The findings about a version's schema; `path` is where it stands in the definition. */
export function structuralFindings(root: JSONSchemaProps, path: string): FieldError[] {
  const walk = new Walk();
  walk.structural(root, path, 'root');
  checkRoot(root, path, walk.findings);
  return walk.findings;
}

type Where = 'root' | 'object field' | 'array item';

class Walk {
  readonly findings: FieldError[] = [];

  structural(node: JSONSchemaProps, path: string, where: Where): void {
    this.#type(node, path, where);
    this.#never(node, path);
    this.#lists(node, path);
    this.#default(node, path);
    this.#junctors(node, path, node);
    for (const [name, property] of Object.entries(node.properties ?? {}))
      this.structural(property, `${path}.properties[${name}]`, 'object field');
    if (isRecord(node.items)) this.structural(node.items, `${path}.items`, 'array item');
    if (isRecord(node.additionalProperties)) this.structural(node.additionalProperties, `${path}.additionalProperties`, 'object field');
  }

  #type(node: JSONSchemaProps, path: string, where: Where): void {
    const { type } = node;
    const isIntOrString = node['x-kubernetes-int-or-string'] === true;
    const isEmbedded = node['x-kubernetes-embedded-resource'] === true;
    if (!type) {
      if (isIntOrString || (node['x-kubernetes-preserve-unknown-fields'] && where !== 'root')) return;
      const of = where === 'root' ? 'at the root' : where === 'array item' ? 'for specified array items' : 'for specified object fields';
      this.findings.push(required(`${path}.type`, `must not be empty ${of}`));
      return;
    }
    if (!TYPES.includes(type)) this.findings.push(unsupported(`${path}.type`, type, TYPES));
    if (where === 'root' && type !== 'object') this.findings.push(invalidValue(`${path}.type`, type, 'must be object at the root'));
    if (isIntOrString) this.findings.push(invalidValue(`${path}.type`, type, 'must be empty if x-kubernetes-int-or-string is true'));
    if (isEmbedded && type !== 'object')
      this.findings.push(invalidValue(`${path}.type`, type, 'must be object if x-kubernetes-embedded-resource is true'));
    if (isEmbedded && !node['x-kubernetes-preserve-unknown-fields'] && Object.keys(node.properties ?? {}).length === 0)
      this.findings.push(
        required(
          `${path}.properties`,
          'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
        ),
      );
    if (type === 'array' && node.items === undefined) this.findings.push(required(`${path}.items`, 'must be specified'));
  }

  #never(node: JSONSchemaProps, path: string): void {
    for (const field of UNSUPPORTED)
      if (node[field] !== undefined) this.findings.push(forbidden(`${path}.${field}`, `${field} is not supported`));
    if (node.uniqueItems)
      this.findings.push(
        forbidden(`${path}.uniqueItems`, 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'),
      );
    if (Array.isArray(node.items)) this.findings.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
    if (node.additionalProperties === false)
      this.findings.push(forbidden(`${path}.additionalProperties`, 'additionalProperties cannot be set to false'));
    else if (node.additionalProperties !== undefined && Object.keys(node.properties ?? {}).length > 0)
      this.findings.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'));
    if (node.pattern && !patternOf(node.pattern))
      this.findings.push(
        invalidValue(`${path}.pattern`, node.pattern, "must be a valid regular expression, but isn't: it cannot be compiled"),
      );
    if (node['x-kubernetes-preserve-unknown-fields'] === false)
      this.findings.push(invalidValue(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'));
  }

  #lists(node: JSONSchemaProps, path: string): void {
    const listType = node['x-kubernetes-list-type'];
    const keys = node['x-kubernetes-list-map-keys'];
    const mapType = node['x-kubernetes-map-type'];
    if (listType !== undefined && node.type !== 'array')
      this.findings.push(invalidValue(`${path}.type`, node.type ?? '', 'must be array if x-kubernetes-list-type is specified'));
    if (listType !== undefined && !LIST_TYPES.includes(listType))
      this.findings.push(unsupported(`${path}.x-kubernetes-list-type`, listType, LIST_TYPES));
    if (mapType !== undefined && node.type !== 'object')
      this.findings.push(invalidValue(`${path}.type`, node.type ?? '', 'must be object if x-kubernetes-map-type is specified'));
    if (mapType !== undefined && !MAP_TYPES.includes(mapType))
      this.findings.push(unsupported(`${path}.x-kubernetes-map-type`, mapType, MAP_TYPES));
    if (keys?.length && listType !== 'map')
      this.findings.push(
        invalidValue(`${path}.x-kubernetes-list-type`, listType ?? null, 'must be map if x-kubernetes-list-map-keys is non-empty'),
      );
    if (listType === 'map') this.#mapKeys(node, keys ?? [], path);
  }

  #mapKeys({ items }: JSONSchemaProps, keys: readonly string[], path: string): void {
    if (keys.length === 0)
      this.findings.push(required(`${path}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'));
    const item = isRecord(items) ? (items as JSONSchemaProps) : undefined;
    if (item && item.type !== 'object')
      this.findings.push(
        invalidValue(`${path}.items.type`, item.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"),
      );
    for (const [index, key] of keys.entries()) {
      const property = item?.properties?.[key];
      if (!property) {
        this.findings.push(
          invalidValue(`${path}.x-kubernetes-list-map-keys[${index}]`, key, 'entries must all be names of item properties'),
        );
      } else if (property.default === undefined && !item.required?.includes(key)) {
        const why = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
        this.findings.push(required(`${path}.items.properties[${key}].default`, why));
      }
    }
  }

  #default(node: JSONSchemaProps, path: string): void {
    if (node.default === undefined) return;
    const { unknown } = pruneObject(node.default, schemaOf(node));
    if (unknown.length > 0) this.findings.push(invalidValue(`${path}.default`, node.default, 'must not have unspecified fields'));
    else this.findings.push(...validateValue(node.default, node, `${path}.default`));
  }

  /** Below allOf, anyOf, oneOf and not there may be nothing but validations, of fields that the schema has. */
  #junctors(node: JSONSchemaProps, path: string, structure: JSONSchemaProps): void {
    for (const field of ['allOf', 'anyOf', 'oneOf'] as const)
      for (const [index, inner] of (node[field] ?? []).entries()) this.#validation(inner, `${path}.${field}[${index}]`, structure);
    if (node.not) this.#validation(node.not, `${path}.not`, structure);
  }

  #validation(node: JSONSchemaProps, path: string, structure: JSONSchemaProps | undefined): void {
    for (const field of STRUCTURE_ONLY) {
      if (node[field] === undefined) continue;
      // The one exception: int-or-string may spell its two types out.
      if (field === 'type' && structure?.['x-kubernetes-int-or-string'] && (node.type === 'integer' || node.type === 'string')) continue;
      this.findings.push(forbidden(`${path}.${field}`, 'must be empty to be structural'));
    }
    for (const [name, property] of Object.entries(node.properties ?? {})) {
      const own = structure?.properties?.[name];
      if (!own && structure && !isRecord(structure.additionalProperties))
        this.findings.push(
          required(
            `${path.replace(/\.(?:allOf|anyOf|oneOf|not)\b.*$/, '')}.properties[${name}]`,
            `because it is defined in ${path}.properties[${name}]`,
          ),
        );
      this.#validation(property, `${path}.properties[${name}]`, own);
    }
    if (isRecord(node.items)) this.#validation(node.items, `${path}.items`, structure?.items as JSONSchemaProps | undefined);
    if (structure) this.#junctors(node, path, structure);
  }
}

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const LIST_TYPES = ['atomic', 'map', 'set'];
const MAP_TYPES = ['atomic', 'granular'];
const UNSUPPORTED = ['$ref', 'definitions', 'dependencies', 'patternProperties', 'id', 'additionalItems', '$schema'] as const;
const STRUCTURE_ONLY = [
  'description',
  'type',
  'default',
  'additionalProperties',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
] as const;

/** apiVersion, kind and metadata are implied: all that may be said of them is how a name looks. */
function checkRoot({ properties = {} }: JSONSchemaProps, path: string, findings: FieldError[]): void {
  for (const name of ['apiVersion', 'kind']) {
    const type = properties[name]?.type;
    if (type !== undefined && type !== 'string') findings.push(invalidValue(`${path}.properties[${name}].type`, type, 'must be string'));
  }
  const { metadata } = properties;
  if (!metadata) return;
  const at = `${path}.properties[metadata]`;
  if (metadata.type !== 'object') findings.push(invalidValue(`${at}.type`, metadata.type ?? '', 'must be object'));
  const others = Object.keys(metadata.properties ?? {}).filter((name) => name !== 'name' && name !== 'generateName');
  if (others.length > 0)
    findings.push(forbidden(at, 'must not specify anything other than name and generateName, but metadata is implicitly specified'));
}
