import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { kubernetesEnvironment } from './environment.ts';
import { compileWithMessages, Message } from './object-literals.ts';

const ENV = kubernetesEnvironment().registerVariable('object', 'dyn');
const OBJECT = new Map<string, unknown>([
  ['a', 3n],
  ['b', false],
]);

function compile(text: string) {
  const types = (name: string): readonly string[] | true | undefined =>
    name === 'JSONPatch' ? ['op', 'path'] : name.split('.')[0] === 'Object' ? true : undefined;
  return compileWithMessages(ENV, text, { types, classes: new Map() });
}

/** Messages as `{ 'Object.spec': { … } }`. */
function shown(value: unknown): unknown {
  if (value instanceof Message)
    return { [value.typeName]: Object.fromEntries([...value.fields].map(([name, field]) => [name, shown(field)])) };
  return Array.isArray(value) ? value.map(shown) : value;
}

const VALUES: [string, string, unknown][] = [
  ['Object{}', 'Object', { Object: {} }],
  ['Object{spec: Object.spec{replicas: object.a + 1}}', 'Object', { Object: { spec: { 'Object.spec': { replicas: 4n } } } }],
  ['Object { s : "a{b}", t: \'it\\\'s {c: 1}\', r: r"\\{" } // {x: 1}', 'Object', { Object: { s: 'a{b}', t: "it's {c: 1}", r: '\\{' } }],
  ['Object{m: {"k": "v", "q": [{"x": 1}]}}', 'Object', { Object: { m: { k: 'v', q: [{ x: 1n }] } } }],
  ['Object{?a: object.?none, ?d: object.?a, `b-c`: 1}', 'Object', { Object: { d: 3n, 'b-c': 1n } }],
  ['object.b ? Object{x: 1} : Object{y: 2}', 'Object', { Object: { y: 2n } }],
  ['[1, 2].map(i, Object.l{n: i})', 'list<Object.l>', [{ 'Object.l': { n: 1n } }, { 'Object.l': { n: 2n } }]],
  ['object.b ? [] : [JSONPatch{op: "add"}]', 'list<JSONPatch>', [{ JSONPatch: { op: 'add' } }]],
  ['"a" in {"a": 1}', 'bool', true],
];

describe('messages', () => {
  for (const [text, type, expected] of VALUES) {
    test(text, () => {
      const compiled = compile(text);
      assert.ok('run' in compiled, 'problem' in compiled ? compiled.problem : '');
      assert.equal(compiled.type, type);
      assert.deepEqual(shown(compiled.run({ object: OBJECT })), expected);
    });
  }
});

const PROBLEMS: [string, string][] = [
  ['Foo{a: 1}', "1:1: undeclared reference to 'Foo' (in container '')"],
  ['[JSONPatch{op: "a", pth: "b"}]', "1:21: undefined field 'pth'"],
  ['Object{a: 1,\n  b: objet.x}', "2:6: undeclared reference to 'objet' (in container '')"],
  ['object.b ? Object{} : Object.spec{}', "1:1: Ternary branches must have the same type, got 'Object' and 'Object.spec'"],
];

describe('problems stand where the user wrote them', () => {
  for (const [text, expected] of PROBLEMS) {
    test(text, () => {
      const compiled = compile(text);
      assert.equal('problem' in compiled && compiled.problem.split('\n')[0], `compilation failed: ERROR: <input>:${expected}`);
    });
  }
});
