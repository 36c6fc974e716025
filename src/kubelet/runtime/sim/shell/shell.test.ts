import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemClock } from '../../../../lib/clock.ts';
import { BUSYBOX_PROGRAMS, programTable, systemFiles } from '../catalogue/base.ts';
import { createContainerFiles } from '../files.ts';
import { Collector, EMPTY_INPUT, inputOf } from '../io.ts';
import type { PodNetwork } from '../pod-network.ts';
import { SimCpu } from '../cpu.ts';
import { type ContainerWorld, SimProcess } from '../process.ts';
import { sh } from './sh.ts';

function newWorld(): ContainerWorld {
  const clock = systemClock();
  const network: PodNetwork = {
    ip: '127.244.0.9',
    dns: { servers: [], searches: [], ndots: 5 },
    listen: () => Promise.reject(new Error('no network here')),
    connect: () => Promise.reject(new Error('no network here')),
    target: (host, port) => ({ host, port }),
    lookup: (name) => Promise.resolve({ name, addresses: [] }),
  };
  return {
    hostname: 'box',
    files: createContainerFiles({
      image: systemFiles('ID=test\n'),
      own: {},
      mounts: [],
      readonlyRootfs: false,
      bornAt: clock.now(),
      now: () => clock.now(),
    }),
    network,
    programs: programTable(BUSYBOX_PROGRAMS),
    clock,
    cpu: new SimCpu(clock, undefined),
    user: { uid: 0, name: 'root' },
    processes: new Map(),
    nextPid: 1,
  };
}

async function run(
  script: string,
  { stdin = '', argv = ['sh', '-c', script] }: { stdin?: string; argv?: string[] } = {},
): Promise<{ out: string; err: string; code: number }> {
  const [stdout, stderr] = [new Collector(), new Collector()];
  const env = new Map([
    ['PATH', '/bin'],
    ['HOME', '/root'],
    ['NAME', 'world'],
  ]);
  const process = new SimProcess(newWorld(), {
    argv,
    env,
    cwd: '/',
    stdin: stdin === '' ? EMPTY_INPUT : inputOf(stdin),
    stdout,
    stderr,
  });
  const code = await process.run(sh);
  return { out: stdout.bytes().toString('utf8'), err: stderr.bytes().toString('utf8'), code };
}

const PRINTS: readonly (readonly [string, string, string])[] = [
  ['lists and operators', 'true && echo a || echo b; false && echo c || echo d', 'a\nd\n'],
  ['quotes', `echo "a  $NAME" 'b  $NAME' c\\ \\ d`, 'a  world b  $NAME c  d\n'],
  ['unquoted values are split', 'x="a   b"; echo $x; echo "$x"', 'a b\na   b\n'],
  ['default values', 'echo ${NONE:-none} ${NAME:+some} ${#NAME} ${NEW:=set} $NEW', 'none some 5 set set\n'],
  ['prefixes and suffixes', 'f=/a/b.tar.gz; echo ${f##*/} ${f%.*} ${f%%.*} ${f#/}', 'b.tar.gz /a/b.tar /a/b a/b.tar.gz\n'],
  ['command substitution', 'echo "[$(echo one; echo two)]" `echo three`', '[one\ntwo] three\n'],
  ['arithmetic', 'i=5; echo $((i * 2 + 1)) $((i > 3 ? 10 : 20)) $(( (1 + 2) % 2 )); i=$((i+1)); echo $i', '11 10 1\n6\n'],
  ['if, elif, else', 'x=2; if [ $x -eq 1 ]; then echo one; elif [ "$x" = 2 ]; then echo two; else echo more; fi', 'two\n'],
  ['for over words', 'for i in 1 2 "3 4"; do echo "<$i>"; done', '<1>\n<2>\n<3 4>\n'],
  ['while, break, continue', 'i=0; while true; do i=$((i+1)); [ $i -eq 2 ] && continue; [ $i -gt 4 ] && break; echo $i; done', '1\n3\n4\n'],
  ['until', 'i=0; until [ $i -ge 2 ]; do i=$((i+1)); done; echo $i', '2\n'],
  ['case', 'case hello in b*) echo no;; h?llo|x) echo yes;; *) echo other;; esac', 'yes\n'],
  ['functions with positional parameters', 'f() { echo "$1-$2 $#"; return 3; }; f a b; echo $?', 'a-b 2\n3\n'],
  ['local variables', 'x=1; f() { local x=2; echo $x; }; f; echo $x', '2\n1\n'],
  ['subshells keep their changes', 'x=1; (x=2; cd /tmp; echo $x $(pwd)); echo $x $(pwd)', '2 /tmp\n1 /\n'],
  ['pipelines', 'printf "b\\na\\nb\\n" | sort | uniq -c | tr -s " "', ' 1 a\n 2 b\n'],
  ['a pipe that nobody reads', 'yes | head -n 2', 'y\ny\n'],
  ['while read', 'printf "1 one\\n2 two\\n" | while read n word; do echo "$word=$n"; done', 'one=1\ntwo=2\n'],
  [
    'redirections',
    'echo a > /tmp/f; echo b >> /tmp/f; cat < /tmp/f; echo no > /dev/null; echo err 2>&1 >/dev/null; cat /nothing 2>/dev/null || echo failed',
    'a\nb\nfailed\n',
  ],
  ['here-documents', 'cat <<END\nhello $NAME\nEND\ncat <<"END"\nhello $NAME\nEND', 'hello world\nhello $NAME\n'],
  ['path names', 'cd /tmp; touch b.txt a.txt c.log; echo *.txt; echo "*.txt" *.none', 'a.txt b.txt\n*.txt *.none\n'],
  ['background and wait', 'sleep 0.01 && echo late & echo early; wait; echo done', 'early\nlate\ndone\n'],
  ['trap on exit', 'trap "echo bye" EXIT; echo hi; exit 0', 'hi\nbye\n'],
  ['trap on a signal', 'trap "echo got it" TERM; kill $$; sleep 0.001; echo on', 'got it\non\n'],
  ['set -e ends at a failure, not in a condition', 'set -e; if false; then :; fi; false || true; echo still; false; echo never', 'still\n'],
  ['exported variables reach programs', 'export A=1; B=2; C=3 env | grep -E "^[ABC]="', 'A=1\nC=3\n'],
  ['eval and $@', 'set -- x "y z"; for a in "$@"; do echo "<$a>"; done; eval "echo $#"', '<x>\n<y z>\n2\n'],
  ['printf', 'printf "%s=%03d|%5s|%-5s|%x\\n" a 7 b c 255; printf "%s\\n" 1 2', 'a=007|    b|c    |ff\n1\n2\n'],
  [
    'sed, cut, awk',
    'echo "a:b:c" | cut -d: -f2,3; echo hello | sed "s/l\\(l\\)/L\\1/"; echo "x y z" | awk "{print \\$3, \\$1}"',
    'b:c\nheLlo\nz x\n',
  ],
  [
    'a script file',
    'printf "#!/bin/sh\\necho script \\$1\\n" > /tmp/s.sh; chmod +x /tmp/s.sh; /tmp/s.sh arg; sh /tmp/s.sh other; . /tmp/s.sh',
    'script arg\nscript other\nscript\n',
  ],
  ['comments and line continuation', 'echo a # b\necho c\\\nd', 'a\ncd\n'],
  [
    'files',
    'mkdir -p /a/b; echo hi > /a/b/c; cp -r /a /d; mv /d/b/c /d/e; rm -r /a; ls /d; [ -d /a ] || echo gone; wc -l < /d/e',
    'b\ne\ngone\n1\n',
  ],
  ['xargs and seq', 'seq 3 | xargs -n 2 echo n', 'n 1 2\nn 3\n'],
  ['exec replaces the shell', 'exec echo last; echo never', 'last\n'],
  ['getopts', 'set -- -a -b val rest; while getopts "ab:" o; do echo "$o $OPTARG"; done', 'a \nb val\n'],
  ['nested substitution and quotes', 'echo "$(echo "$(echo "in ner")")"', 'in ner\n'],
];

const CODES: readonly (readonly [string, string, number, RegExp])[] = [
  ['exit', 'exit 7', 7, /^$/],
  ['the last status', 'true; false', 1, /^$/],
  ['no such program', 'nothing-like-it --x', 127, /^sh: nothing-like-it: not found\n$/],
  ['not executable', 'echo > /tmp/f; /tmp/f', 126, /Permission denied/],
  ['syntax error', 'if true; then', 2, /^sh: syntax error: unexpected end of file/],
  ['unexpected token', 'echo a; )', 2, /syntax error: unexpected "\)"/],
  ['no such file', 'cat < /nothing', 1, /^sh: can't open \/nothing: no such file\n$/],
  ['unset variable', 'set -u; echo $NOTHING; echo on', 2, /NOTHING: parameter not set/],
  ['test of numbers', '[ a -eq 1 ]', 2, /a: bad number/],
  ['division by zero', 'echo $((1 / 0))', 1, /divide by zero/],
];

describe('shell', () => {
  for (const [name, script, expected] of PRINTS) {
    it(name, async () => {
      const { out, err } = await run(script);
      assert.equal(out, expected, err);
    });
  }
  for (const [name, script, code, message] of CODES) {
    it(`${name}: ${code}`, async () => {
      const result = await run(script);
      assert.equal(result.code, code);
      assert.match(result.err, message);
    });
  }

  it('arguments after the script, and stdin for its commands', async () => {
    const argv = ['sh', '-c', 'cat; echo $0 $1', 'name', 'first'];
    assert.deepEqual(await run('', { stdin: 'from a pipe\n', argv }), { out: 'from a pipe\nname first\n', err: '', code: 0 });
  });

  it('tar takes folders apart and puts them together', async () => {
    const { out } = await run(
      'mkdir -p /a/b /c; echo one > /a/b/one.txt; printf x > /a/x; tar cf - /a | tar xmf - -C /c; cat /c/a/b/one.txt /c/a/x; tar cf /t.tar a; tar tf /t.tar',
    );
    assert.equal(out, 'one\nxa/\na/b/\na/b/one.txt\na/x\n');
  });

  it('without arguments it runs the lines of stdin, which its commands may read as well', async () => {
    const stdin = 'read word\nvalue\necho "got $word"\nif true\nthen echo yes\nfi\nexit 4\necho never\n';
    assert.deepEqual(await run('', { stdin, argv: ['sh'] }), { out: 'got value\nyes\n', err: '', code: 4 });
    assert.equal((await run('', { stdin: 'echo a\n)\necho b\n', argv: ['sh'] })).code, 2);
  });

  it('a busy loop leaves others their turn and can be killed', async () => {
    const process = new SimProcess(newWorld(), {
      argv: ['sh', '-c', 'while :; do :; done'],
      env: new Map(),
      cwd: '/',
      stdin: EMPTY_INPUT,
      stdout: new Collector(),
      stderr: new Collector(),
    });
    const ended = process.run(sh);
    await new Promise((resolve) => setImmediate(resolve));
    process.signal('KILL', { fromOutside: true });
    assert.equal(await ended, 137);
  });
});
