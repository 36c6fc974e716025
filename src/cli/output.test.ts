import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, reasonCodes } from '../cluster/reasons.ts';
import { seededRng } from '../lib/random.ts';
import { Output } from './output.ts';
import { parseDuration, parseMemory } from './quantities.ts';
import { nearest } from './suggest.ts';
import { table } from './table.ts';

function outputTo(events: boolean): { output: Output; stdout: string[]; stderr: string[] } {
  const stdout: string[] = [];
  const stderr: string[] = [];
  const output = new Output({
    stdout: { write: (text: string) => stdout.push(text) },
    stderr: { write: (text: string) => stderr.push(text) },
    events,
    animated: false,
    rng: seededRng(1),
  });
  return { output, stdout, stderr };
}

test('for people: steps on stderr, data on stdout', () => {
  const { output, stdout, stderr } = outputTo(false);
  output.step('driver', 'Using the sim driver');
  output.step('boot', 'Starting');
  output.detail('not shown without a terminal');
  output.warn('slow');
  output.step('done', 'ready');
  output.text('what next');
  assert.deepEqual(stderr.join(''), '✓ Using the sim driver\n• Starting\n! slow\n✓ ready\n');
  assert.deepEqual(stdout, ['what next\n']);
});

test('a failure names code, cause and numbered advice, and the step that failed', () => {
  const { output, stderr } = outputTo(false);
  output.step('boot', 'Starting');
  output.error(failure('PORT_IN_USE', 'port 1 is in use', { cause: new Error('EADDRINUSE') }), { verbose: false });
  assert.equal(
    stderr.join(''),
    [
      '• Starting',
      '✗ Starting',
      '',
      'PORT_IN_USE: port 1 is in use',
      '  because: EADDRINUSE',
      '',
      'What to do:',
      '  1. End the program that listens there (`ss -ltnp`), or choose another port with `--api-port`.',
      '  2. `--api-port 0` takes any free one; the kubeconfig follows.',
      '',
    ].join('\n'),
  );
});

test('for machines: an event a line, nothing on stderr, step numbers that rise', () => {
  const { output, stdout, stderr } = outputTo(true);
  output.step('driver', 'a');
  output.step('boot', 'b');
  output.document({ ok: true });
  output.error(failure('DISK_FULL', 'full'), { verbose: false });
  const events = stdout.map((line) => JSON.parse(line) as { specversion: string; type: string; id: string; data: Record<string, string> });
  assert.deepEqual(
    events.map(({ type }) => type),
    ['dev.rockpool.step', 'dev.rockpool.step', 'dev.rockpool.result', 'dev.rockpool.error'],
  );
  assert.ok(events.every(({ specversion, id }) => specversion === '1.0' && id.length === 36));
  assert.ok(Number(events[0]!.data['currentstep']) < Number(events[1]!.data['currentstep']));
  assert.equal(events[3]!.data['exitcode'], '26');
  assert.deepEqual(stderr, []);
});

test("exit codes: none is 0, minikube's families hold", () => {
  const codes = Object.fromEntries(reasonCodes().map((code) => [code, failure(code, 'x').exitCode]));
  assert.ok(Object.values(codes).every((code) => code > 0 && code < 256));
  const families: [RegExp, number, number][] = [
    [/^(PROFILE|USAGE)/, 10, 19],
    [/^(DISK|MEMORY)/, 20, 29],
    [/^HOST/, 30, 39],
    [/^INTERNET/, 40, 49],
    [/^DRIVER/, 50, 59],
    [/^ENGINE/, 60, 69],
    [/^(PORT|NETWORK)/, 70, 79],
    [/^NODE/, 80, 89],
    [/^APISERVER/, 100, 109],
  ];
  for (const [pattern, from, to] of families) {
    for (const [code, exit] of Object.entries(codes)) if (pattern.test(code)) assert.ok(exit >= from && exit <= to, `${code} is ${exit}`);
  }
});

for (const [text, ms] of [
  ['90s', 90_000],
  ['2m', 120_000],
  ['1m30s', 90_000],
  ['500ms', 500],
  ['45', 45_000],
  ['1.5h', 5_400_000],
] as const) {
  test(`a duration of ${text}`, () => assert.equal(parseDuration(text), ms));
}
for (const text of ['', 'soon', '1x', '-1s', '1s later'])
  test(`no duration: ${JSON.stringify(text)}`, () => assert.throws(() => parseDuration(text), { code: 'USAGE' }));
for (const [text, mib] of [
  ['2g', 2048],
  ['2Gi', 2048],
  ['1500m', 1500],
  ['1500', 1500],
  ['0.5g', 512],
] as const)
  test(`memory of ${text}`, () => assert.equal(parseMemory(text), mib));
for (const [text, code] of [
  ['much', 'USAGE'],
  ['10m', 'MEMORY'],
] as const)
  test(`no memory: ${text}`, () => assert.throws(() => parseMemory(text), { code }));

test('the nearest word, when one is near', () => {
  assert.equal(nearest('strat', ['start', 'status', 'stop']), 'start');
  assert.equal(nearest('dashbord', ['dashboard', 'delete']), 'dashboard');
  assert.equal(nearest('xyzzy', ['start', 'stop']), undefined);
});

test('tables', () =>
  assert.equal(
    table(
      ['NAME', 'STATE'],
      [
        ['a-long-name', 'on'],
        ['b', 'off'],
      ],
    ),
    'NAME          STATE\na-long-name   on\nb             off',
  ));
