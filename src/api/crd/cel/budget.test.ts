import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Budget, CALL_COST_EXCEEDED, PER_CALL_LIMIT } from './budget.ts';
import { kubernetesEnvironment } from './environment.ts';
import { compileProgram, type Program } from './program.ts';

const LIST = Array.from({ length: 2000 }, (_, index) => BigInt(index));

function program(text: string): Program {
  const compiled = compileProgram(kubernetesEnvironment().registerVariable('many', 'list<int>').registerVariable('any', 'dyn'), text);
  assert.ok('run' in compiled, 'problem' in compiled ? compiled.problem : '');
  return compiled;
}

const run = (text: string): unknown => program(text).run({ many: LIST, any: LIST });

describe('an expression that costs too much is stopped', () => {
  const DOUBLED = 'abcdefghijk';
  const cases: [string, string][] = [
    ['loops in loops', 'many.all(a, many.all(b, many.all(c, a + b + c >= 0)))'],
    ['over what has no type', 'any.map(a, any.map(b, a + b)).size() > 0'],
    ['behind an operator that absorbs errors', 'many.all(a, many.all(b, true)) || true'],
    ['behind a quantifier that absorbs errors', 'many.exists(x, many.all(a, many.all(b, true)) || x == 1999)'],
    [
      'lists that double',
      `${[...DOUBLED].map((name, at) => `cel.bind(${name}, ${at === 0 ? 'many' : DOUBLED[at - 1]} + ${at === 0 ? 'many' : DOUBLED[at - 1]}, `).join('')}k.size() > 0${')'.repeat(DOUBLED.length)}`,
    ],
    ['membership in a loop', 'many.all(a, a in many)'],
    ['a function that compares all with all', 'many.map(x, x).distinct().size() > 0 && sets.contains(many, many)'],
    ['a pattern that backtracks', '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab".matches("(a+)+$")'],
    [
      'a pattern that backtracks, behind an operator that absorbs errors',
      '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab".matches("(a+)+$") || true',
    ],
    ['a pattern that backtracks in a loop', 'many.all(x, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab".find("(a+)+$") == "")'],
  ];
  for (const [name, text] of cases) test(name, () => assert.throws(() => run(text), new RegExp(CALL_COST_EXCEEDED)));
});

test('what is within its means is not', () => {
  for (const text of [
    'many.all(a, a >= 0)',
    'many.filter(a, a > 1000).exists(b, b == 1500)',
    '1999 in many',
    '"abc".matches("b")',
    'any.size() == 2000',
  ])
    assert.equal(run(text), true, text);
});

test('a budget pays for all evaluations, and each has its own limit', () => {
  const compiled = program('many.all(a, a + a >= 0)');
  const budget = new Budget(PER_CALL_LIMIT);
  let times = 0;
  for (; !budget.isSpent; times++) budget.paying(() => compiled.run({ many: LIST }));
  assert.ok(times > 10 && times < 1000, `${times} times`);
  assert.equal(compiled.run({ many: LIST }), true, 'nobody pays: only the limit of the call counts');
});
