import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps } from '../types.gen.ts';
import { definitionFindings } from './definition.ts';

function definition(schema: JSONSchemaProps, version: object = {}, spec: object = {}): CustomResourceDefinition {
  const only = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    ...version,
  } as CustomResourceDefinitionVersion;
  const whole = { group: 'example.com', scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' }, versions: [only], ...spec };
  return { metadata: { name: 'things.example.com' }, spec: whole };
}

/** A schema whose spec has the given properties. */
const withSpec = (properties: Record<string, JSONSchemaProps>, more: JSONSchemaProps = {}): JSONSchemaProps => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, ...more } },
});

const messages = (given: CustomResourceDefinition): string[] =>
  definitionFindings(given).map(({ field, message }) => `${field}: ${message}`);

const AT = 'spec.validation.openAPIV3Schema';
const SPEC = `${AT}.properties[spec]`;

const SCHEMAS: { name: string; schema: JSONSchemaProps; expected: string[] }[] = [
  { name: 'a plain schema', schema: withSpec({ a: { type: 'string' } }), expected: [] },
  {
    name: 'a field without a type',
    schema: withSpec({ a: {} }),
    expected: [`${SPEC}.properties[a].type: Required value: must not be empty for specified object fields`],
  },
  {
    name: 'an unknown type',
    schema: withSpec({ a: { type: 'text' } }),
    expected: [
      `${SPEC}.properties[a].type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`,
    ],
  },
  {
    name: 'unique items',
    schema: withSpec({ a: { type: 'array', items: { type: 'string' }, uniqueItems: true } }),
    expected: [
      `${SPEC}.properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`,
    ],
  },
  {
    name: 'a reference',
    schema: withSpec({ a: { type: 'object', $ref: '#/definitions/x' } }),
    expected: [`${SPEC}.properties[a].$ref: Forbidden: $ref is not supported`],
  },
  {
    name: 'properties beside additionalProperties',
    schema: withSpec({ a: { type: 'string' } }, { additionalProperties: { type: 'string' } }),
    expected: [`${SPEC}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`],
  },
  {
    name: 'a type within a junctor',
    schema: withSpec({ a: { type: 'string' } }, { anyOf: [{ properties: { a: { type: 'string', minLength: 1 } } }] }),
    expected: [`${SPEC}.anyOf[0].properties[a].type: Forbidden: must be empty to be structural`],
  },
  {
    name: 'a field that only a junctor has',
    schema: withSpec({ a: { type: 'string' } }, { anyOf: [{ required: ['b'], properties: { b: { minLength: 1 } } }] }),
    expected: [`${SPEC}.properties[b]: Required value: because it is defined in ${SPEC}.anyOf[0].properties[b]`],
  },
  {
    name: 'int-or-string spelled out',
    schema: withSpec({ a: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] } }),
    expected: [],
  },
  {
    name: 'a map key that may be absent',
    schema: withSpec({
      a: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', properties: { k: { type: 'string' } } },
      },
    }),
    expected: [
      `${SPEC}.properties[a].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`,
    ],
  },
  {
    name: 'a default that the schema refuses',
    schema: withSpec({ a: { type: 'integer', maximum: 3, default: 4 } }),
    expected: [`${SPEC}.properties[a].default: Invalid value: 4: ${SPEC}.properties[a].default in body should be less than or equal to 3`],
  },
  {
    name: 'rules on metadata',
    schema: { type: 'object', properties: { metadata: { type: 'object', properties: { labels: { type: 'object' } } } } },
    expected: [
      `${AT}.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified`,
    ],
  },
  {
    name: 'a rule about a field that is not there',
    schema: withSpec({ a: { type: 'integer' } }, { 'x-kubernetes-validations': [{ rule: 'self.b > 1' }] }),
    expected: [
      `${SPEC}.x-kubernetes-validations[0].rule: Invalid value: {"rule":"self.b > 1"}: compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^`,
    ],
  },
  {
    name: 'a rule that calls what there is not',
    schema: withSpec({ a: { type: 'integer' } }, { 'x-kubernetes-validations': [{ rule: 'self.a.frobnicate()' }] }),
    expected: [
      `${SPEC}.x-kubernetes-validations[0].rule: Invalid value: {"rule":"self.a.frobnicate()"}: compilation failed: ERROR: <input>:1:18: undeclared reference to 'frobnicate' (in container '')\n | self.a.frobnicate()\n | .................^`,
    ],
  },
  {
    name: 'a rule that is no test',
    schema: withSpec({ a: { type: 'integer' } }, { 'x-kubernetes-validations': [{ rule: 'self.a + 1' }] }),
    expected: [`${SPEC}.x-kubernetes-validations[0].rule: Invalid value: {"rule":"self.a + 1"}: cel expression must evaluate to a bool`],
  },
  {
    name: 'the past of items that have no identity',
    schema: withSpec({ a: { type: 'array', items: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf' }] } } }),
    expected: [
      `${SPEC}.properties[a].items.x-kubernetes-validations[0].rule: Invalid value: "self >= oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within ${SPEC}.properties[a].items`,
    ],
  },
];

describe('schemas', () => {
  for (const { name, schema, expected } of SCHEMAS) test(name, () => assert.deepEqual(messages(definition(schema)), expected));
});

const PLAIN = withSpec({ a: { type: 'string' }, o: { type: 'object' } });
const VERSION = 'spec.versions[0]';

const VERSIONS: { name: string; version?: object; spec?: object; expected: string[] }[] = [
  {
    name: 'a column of no type',
    version: { additionalPrinterColumns: [{ name: 'A', type: 'text', jsonPath: '.spec.a' }] },
    expected: [`${VERSION}.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string`],
  },
  {
    name: 'a scale outside of spec',
    version: { subresources: { scale: { specReplicasPath: '.replicas', statusReplicasPath: '.status.replicas' } } },
    expected: [`${VERSION}.subresources.scale.specReplicasPath: Invalid value: ".replicas": should be a json path under .spec`],
  },
  {
    name: 'a selectable object',
    version: { selectableFields: [{ jsonPath: '.spec.o' }, { jsonPath: '.spec.b' }] },
    expected: [
      `${VERSION}.selectableFields[0].jsonPath: Invalid value: ".spec.o": must point to a field of type boolean, integer, or string. Enum string fields and strings with formats are allowed.`,
      `${VERSION}.selectableFields[1].jsonPath: Invalid value: ".spec.b": does not refer to a valid field`,
    ],
  },
  {
    name: 'a conversion that is not told how',
    spec: { conversion: { strategy: 'Webhook' } },
    expected: [
      'spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook',
      'spec.conversion.conversionReviewVersions: Required value',
    ],
  },
  {
    name: 'a group of Kubernetes',
    spec: { group: 'things.k8s.io' },
    expected: [
      'metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation "api-approved.kubernetes.io", see https://github.com/kubernetes/enhancements/pull/1111',
    ],
  },
];

describe('versions', () => {
  for (const { name, version, spec, expected } of VERSIONS)
    test(name, () => assert.deepEqual(messages(definition(PLAIN, version, spec)), expected));

  test('an update that leaves the spec alone is not judged', () => {
    const old = definition(withSpec({ a: {} }));
    assert.deepEqual(definitionFindings(structuredClone(old), old), []);
  });
});
