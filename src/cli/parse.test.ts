import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './parse.ts';

const understood: { line: string; env?: Record<string, string>; command: string; args: Record<string, unknown> }[] = [
  { line: 'start', command: 'start', args: { profile: 'rockpool', output: 'text', waitTimeout: '60s', dryRun: false } },
  {
    line: 'start -p lesson --driver sim --sim-nodes 5 --ports 80:80 --ports 1:2',
    command: 'start',
    args: { profile: 'lesson', driver: 'sim', simNodes: 5, ports: ['80:80', '1:2'] },
  },
  { line: 'status -o json', command: 'status', args: { output: 'json' } },
  { line: 'stop', env: { ROCKPOOL_PROFILE: 'mine' }, command: 'stop', args: { profile: 'mine' } },
  { line: 'service web --url -n team', command: 'service [names..]', args: { names: ['web'], url: true, namespace: 'team' } },
  {
    line: 'addons enable dashboard ingress',
    command: 'addons <action> [names..]',
    args: { action: 'enable', names: ['dashboard', 'ingress'] },
  },
  { line: 'image load a.tar', command: 'image <action> [images..]', args: { action: 'load', images: ['a.tar'] } },
  { line: 'logs -f -n 20', command: 'logs', args: { follow: true, lines: 20 } },
];
for (const { line, env = {}, command, args } of understood) {
  test(`rockpool ${line}`, async () => {
    const parsed = await parseCommandLine(line.split(' '), env);
    assert.ok(parsed.kind === 'command');
    assert.equal(parsed.command.usage, command);
    for (const [name, value] of Object.entries(args))
      assert.deepEqual((parsed.args as unknown as Record<string, unknown>)[name], value, name);
  });
}

const kubectl = [
  { line: 'kubectl -- get pods -A', profile: 'rockpool', args: ['get', 'pods', '-A'] },
  { line: 'kubectl get pods -o json', profile: 'rockpool', args: ['get', 'pods', '-o', 'json'] },
  { line: '-p lesson kubectl -- exec x -- sh', profile: 'lesson', args: ['exec', 'x', '--', 'sh'] },
  { line: '--profile=lesson kubectl version', profile: 'lesson', args: ['version'] },
];
for (const { line, profile, args } of kubectl) {
  test(`rockpool ${line}`, async () => assert.deepEqual(await parseCommandLine(line.split(' '), {}), { kind: 'kubectl', profile, args }));
}

const refused = [
  { line: 'strat', says: /strat/, advice: /`start`/ },
  { line: 'start --drvier sim', says: /drvier/, advice: /`--driver`/ },
  { line: 'start extra', says: /extra/, advice: /--help/ },
  { line: 'start --storage floppy', says: /Choices: "etcd", "embedded"/, advice: /--help/ },
  { line: 'addons', says: /Not enough/, advice: /--help/ },
  { line: 'status -o yaml', says: /Choices/, advice: /--help/ },
];
for (const { line, says, advice } of refused) {
  test(`refused: rockpool ${line}`, async () => {
    await assert.rejects(parseCommandLine(line.split(' '), {}), (error: Error & { code: string; exitCode: number; advice: string[] }) => {
      assert.equal(error.code, 'USAGE');
      assert.equal(error.exitCode, 14);
      assert.match(error.message, says);
      assert.match(error.advice.join('\n'), advice);
      return true;
    });
  });
}

test('no command at all is an error that names the help', async () =>
  assert.rejects(parseCommandLine([], {}), { code: 'USAGE', message: 'name a command' }));
