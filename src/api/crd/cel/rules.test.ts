import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../../meta.ts';
import type { JSONSchemaProps, ValidationRule } from '../../types.gen.ts';
import { compileRules, ruleChecker } from './rules.ts';

const PROPERTIES: Record<string, JSONSchemaProps> = {
  min: { type: 'integer' },
  max: { type: 'integer' },
  name: { type: 'string' },
  'a-b': { type: 'string' },
  namespace: { type: 'string' },
  tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
  map: { type: 'object', additionalProperties: { type: 'string' } },
  port: { 'x-kubernetes-int-or-string': true },
  when: { type: 'string', format: 'date-time' },
  wait: { type: 'string', format: 'duration' },
  maybe: { type: 'integer', nullable: true },
  items: {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    items: {
      type: 'object',
      properties: {
        name: { type: 'string' },
        size: { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'may not shrink' }] },
      },
    },
  },
};

const SPEC = {
  min: 1,
  max: 5,
  name: 'abc',
  'a-b': 'q',
  namespace: 'n',
  tags: ['a', 'b'],
  map: { k: 'v' },
  port: 80,
  when: '2020-01-01T00:00:00Z',
  wait: '1h',
  maybe: null,
  items: [{ name: 'x', size: 2 }],
};

const schema = (...rules: ValidationRule[]): JSONSchemaProps => ({
  type: 'object',
  properties: { spec: { type: 'object', properties: PROPERTIES, 'x-kubernetes-validations': rules } },
});
const object = (change: object = {}): KubeObject => ({ metadata: { name: 'o' }, spec: { ...SPEC, ...change } });

function findings(rules: ValidationRule[], now: KubeObject, old?: KubeObject): string[] {
  const { problems } = compileRules(schema(...rules));
  assert.deepEqual(
    problems.map(({ message }) => message),
    [],
  );
  return ruleChecker(schema(...rules))(now, old).map(({ field, message }) => `${field}: ${message}`);
}

const HOLDS = [
  'self.min <= self.max',
  'self.a__dash__b == "q" && self.__namespace__ == "n"',
  'self.tags.all(t, t in ["a", "b"]) && self.tags.exists_one(t, t == "a")',
  'self.map.all(k, self.map[k] == "v") && self.map.k == "v"',
  'type(self.port) == int ? self.port == 80 : self.port == "http"',
  'self.when > timestamp("2019-01-01T00:00:00Z") && self.wait > duration("30m")',
  'self.?name.orValue("") == "abc"',
  'self.tags.all(i, tag, tag == ["a", "b"][i]) && self.tags.exists(i, tag, i == 1 && tag == "b")',
  'self.map.exists(key, value, key == "k" && value == "v") && self.map.existsOne(key, value, value == "v")',
  'self.tags.transformList(i, tag, tag + string(i)) == ["a0", "b1"] && self.tags.transformList(i, tag, i > 0, tag) == ["b"]',
  'self.map.transformMap(key, value, value + key) == {"k": "vk"} && self.map.transformMap(key, value, key != "k", value).size() == 0',
  'self.tags.transformMapEntry(i, tag, {tag: i})["b"] == 1 && self.tags.all(i, tag, self.tags.all(j, other, (i == j) == (tag == other)))',
  'self.tags.exists(i, tag, self.tags[i + 1] == "none" || tag == "b")',
  'base64.encode(b"abc") == "YWJj" && base64.decode("YWJj") == b"abc" && strings.quote("a\\"b") == "\\"a\\\\\\"b\\""',
  'self.items.map(i, i.size).sum() == 2 && self.tags.isSorted() && [3, 1].min() == 1 && self.tags.indexOf("b") == 1',
  'self.name.find("[a-b]+") == "ab" && self.name.findAll("[a-z]", 2) == ["a", "b"] && self.name.matches("(?i)^ABC$")',
  'self.name.replace("a", "z") == "zbc" && self.name.charAt(1) == "b" && self.name.upperAscii() == "ABC"',
  '"%s-%d".format([self.name, self.min]) == "abc-1"',
  'quantity("500m").isLessThan(quantity("1")) && quantity("1Gi").asInteger() == 1073741824 && !isQuantity("x")',
  'url("https://a.example:8443/p?q=1").getHost() == "a.example:8443" && isURL("/p") && !isURL("no url")',
  'ip("192.0.2.1").family() == 4 && cidr("10.0.0.0/8").containsIP("10.1.2.3") && ip("127.0.0.1").isLoopback() && !isIP("1.2.3")',
  'sets.contains(self.tags, ["a"]) && sets.equivalent(self.tags, ["b", "a"]) && sets.intersects(self.tags, ["b", "c"])',
  'semver("1.2.3").isLessThan(semver("1.10.0")) && math.greatest(1, 2) == 2',
  '!format.dns1123Label().validate(self.name).hasValue() && format.named("uuid").hasValue()',
  'cel.bind(n, self.name.size(), n > 2 && n < 4)',
];

describe('rules that hold', () => {
  for (const rule of HOLDS) test(rule, () => assert.deepEqual(findings([{ rule }], object()), []));
});

const BROKEN: { name: string; rule: ValidationRule; now?: object; old?: object; expected: string[] }[] = [
  {
    name: 'the rule itself where nothing is said',
    rule: { rule: 'self.min > self.max' },
    expected: ['spec: Invalid value: "object": failed rule: self.min > self.max'],
  },
  { name: 'its message', rule: { rule: 'self.min > 1', message: 'too small' }, expected: ['spec: Invalid value: "object": too small'] },
  {
    name: 'a message that is computed, at a field, with a reason',
    rule: { rule: 'self.min > 1', messageExpression: '"min is " + string(self.min)', fieldPath: '.min', reason: 'FieldValueForbidden' },
    expected: ['spec.min: Forbidden: min is 1'],
  },
  {
    name: 'a message that cannot be computed gives way',
    rule: { rule: 'self.min > 1', messageExpression: 'self.items[7].name', message: 'plain' },
    expected: ['spec: Invalid value: "object": plain'],
  },
  {
    name: 'a rule that fails to run',
    rule: { rule: 'self.items[5].size > 1' },
    expected: [
      'spec: Invalid value: "object": no such key: index out of bounds, index 5 >= size 1 evaluating rule: self.items[5].size > 1',
    ],
  },
  {
    name: 'a transition',
    rule: { rule: 'self.min == oldSelf.min', message: 'fixed' },
    now: { min: 2 },
    old: {},
    expected: ['spec: Invalid value: "object": fixed'],
  },
  { name: 'a transition on create: nothing', rule: { rule: 'self.min == oldSelf.min' }, expected: [] },
  {
    name: 'an optional past on create',
    rule: { rule: 'oldSelf.hasValue()', optionalOldSelf: true, message: 'was not there' },
    expected: ['spec: Invalid value: "object": was not there'],
  },
  {
    name: 'a transition of a list’s item, found by its key',
    rule: { rule: 'true' },
    now: {
      items: [
        { name: 'new', size: 0 },
        { name: 'x', size: 1 },
      ],
    },
    old: {},
    expected: ['spec.items[1].size: Invalid value: "integer": may not shrink'],
  },
];

describe('rules that are broken tell', () => {
  for (const { name, rule, now, old, expected } of BROKEN)
    test(name, () => assert.deepEqual(findings([rule], object(now), old && object(old)), expected));
});

describe('rules that cost too much', () => {
  const tags = Array.from({ length: 300 }, (_, index) => `t${index}`);
  const loop = 'self.tags.all(a, self.tags.all(b, self.tags.all(c, a + b + c != "")))';
  test('are stopped, and so are those after them', () => {
    assert.deepEqual(findings([{ rule: loop }, { rule: 'false' }], object({ tags })), [
      `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${loop}`,
    ]);
  });
  test('all together', () => {
    const rules = Array.from({ length: 60 }, () => ({ rule: 'self.tags.all(a, self.tags.all(b, a + b != ""))' }));
    assert.deepEqual(findings(rules, object({ tags })), [
      'spec: Invalid value: validation failed due to running out of cost budget, no further validation rules will be run',
    ]);
  });
});
