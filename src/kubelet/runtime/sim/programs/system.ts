/** Programs about processes, users and the machine. */
import type { Program } from '../model.ts';
import { findProgram, type SimProcess, signalNamed } from '../process.ts';
import { durationMs, parseArguments } from './arguments.ts';
import { complain } from './files-of.ts';

const env: Program = async (process) => {
  const assignments = new Map<string, string>();
  let at = 1;
  let clear = false;
  for (; at < process.argv.length; at++) {
    const word = process.argv[at]!;
    if (word === '-i') clear = true;
    else if (/^[A-Za-z_][A-Za-z0-9_]*=/.test(word)) assignments.set(word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1));
    else break;
  }
  const values = new Map([...(clear ? [] : process.env), ...assignments]);
  const command = process.argv.slice(at);
  if (command.length > 0) return runCommand(process, command, { env: values });
  for (const [name, value] of values) await process.stdout.write(`${name}=${value}\n`);
  return 0;
};

const printenv: Program = async (process) => {
  const names = process.argv.slice(1);
  if (names.length === 0) return env(process);
  for (const name of names) if (process.env.has(name)) await process.stdout.write(`${process.env.get(name)}\n`);
  return names.every((name) => process.env.has(name)) ? 0 : 1;
};

async function runCommand(process: SimProcess, argv: readonly string[], options: Parameters<SimProcess['spawn']>[1] = {}): Promise<number> {
  const child = process.spawn(argv, options);
  if (child) return child.ended;
  await complain(process, `can't execute '${argv[0]}': No such file or directory`);
  return 127;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const FULL_DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Containers are in UTC. */
const date: Program = async (process) => {
  const { operands, flags, value } = parseArguments(process.argv, {
    known: 'uIR',
    valued: 'd',
    long: { utc: 'u', iso: 'I', 'iso-8601': 'I' },
  });
  const asked = value('d');
  const now = new Date(asked === undefined ? process.world.clock.now() : asked.startsWith('@') ? Number(asked.slice(1)) * 1000 : asked);
  if (Number.isNaN(now.getTime())) {
    await complain(process, `invalid date '${asked}'`);
    return 1;
  }
  const format = operands[0]?.startsWith('+') ? operands[0].slice(1) : flags.has('I') ? '%Y-%m-%d' : '%a %b %e %H:%M:%S UTC %Y';
  await process.stdout.write(`${formatDate(now, format)}\n`);
  return 0;
};

function formatDate(at: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const [year, month, day] = [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()];
  const time = `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
  const fields: Readonly<Record<string, string>> = {
    a: DAYS[at.getUTCDay()]!, A: FULL_DAYS[at.getUTCDay()]!, b: MONTHS[month]!, d: two(day), e: String(day).padStart(2), F: `${year}-${two(month + 1)}-${two(day)}`,
    D: `${two(month + 1)}/${two(day)}/${two(year % 100)}`, H: two(at.getUTCHours()), I: two(at.getUTCHours() % 12 || 12), M: two(at.getUTCMinutes()), m: two(month + 1),
    N: `${String(at.getUTCMilliseconds()).padStart(3, '0')}000000`, n: '\n', p: at.getUTCHours() < 12 ? 'AM' : 'PM', R: time.slice(0, 5), S: two(at.getUTCSeconds()),
    s: String(Math.floor(at.getTime() / 1000)), T: time, u: String(at.getUTCDay() || 7), y: two(year % 100), Y: String(year), Z: 'UTC', z: '+0000',
    c: `${DAYS[at.getUTCDay()]} ${MONTHS[month]} ${String(day).padStart(2)} ${time} ${year}`, '%': '%',
  }; // prettier-ignore
  return format.replaceAll(/%(.)/g, (whole, letter: string) => fields[letter] ?? whole);
}

const hostname: Program = async ({ argv, stdout, world }) => {
  await stdout.write(`${argv[1] === '-i' || argv[1] === '-I' ? world.network.ip : world.hostname}\n`);
  return 0;
};

const id: Program = async ({ argv, stdout, world }) => {
  const { uid, name } = world.user;
  await stdout.write(
    argv[1] === '-u'
      ? `${uid}\n`
      : argv[1] === '-un'
        ? `${name}\n`
        : argv[1] === '-g'
          ? `${uid}\n`
          : `uid=${uid}(${name}) gid=${uid}(${name}) groups=${uid}(${name})\n`,
  );
  return 0;
};

const whoami: Program = async ({ stdout, world }) => {
  await stdout.write(`${world.user.name}\n`);
  return 0;
};

/** Says what it is: a kernel that only exists as a model. */
const uname: Program = async ({ argv, stdout, world }) => {
  const parts = { s: 'Linux', n: world.hostname, r: '6.12.0-rockpool-sim', v: '#1 SMP', m: 'x86_64', o: 'GNU/Linux' };
  const letters = argv[1]?.includes('a') ? 'snrvmo' : (argv[1]?.slice(1) ?? 's');
  await stdout.write(`${[...letters].map((letter) => parts[letter as 's'] ?? '').join(' ')}\n`);
  return 0;
};

const ps: Program = async ({ stdout, world }) => {
  const lines = [...world.processes.values()].map(({ pid, argv, startedAt }) => {
    const seconds = Math.floor((world.clock.now() - startedAt) / 1000);
    return `${String(pid).padStart(5)} ${world.user.name.padEnd(8)} ${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')} ${argv.join(' ')}\n`;
  });
  await stdout.write(`PID   USER     TIME  COMMAND\n${lines.join('')}`);
  return 0;
};

const kill: Program = async (process) => {
  const words = process.argv.slice(1);
  const given = /^-(?:s$|n$)?/.test(words[0] ?? '') && words[0]!.startsWith('-') ? words.shift()! : '-TERM';
  const signal = signalNamed(given === '-s' || given === '-n' ? words.shift()! : given.slice(1));
  if (given === '-0') return Number(!words.every((word) => process.world.processes.has(Number(word))));
  if (!signal) {
    await complain(process, `bad signal name '${given.slice(1)}'`);
    return 1;
  }
  let status = 0;
  for (const word of words) {
    const target = process.world.processes.get(Number(word));
    if (target) target.signal(signal);
    else {
      status = 1;
      await complain(process, `can't kill pid ${word}: No such process`);
    }
  }
  return status;
};

const pkill: Program = async (process) => {
  const words = process.argv.slice(1);
  const signal = words[0]?.startsWith('-') && words[0] !== '-f' ? signalNamed(words.shift()!.slice(1)) : 'TERM';
  const name = words.at(-1) ?? '';
  const targets = [...process.world.processes.values()].filter(
    ({ argv, pid }) => pid !== process.pid && argv[0]!.replace(/^.*\//, '').includes(name),
  );
  if (process.argv[0] === 'pidof' || process.argv[0] === 'pgrep') {
    if (targets.length > 0) await process.stdout.write(`${targets.map(({ pid }) => pid).join(process.argv[0] === 'pidof' ? ' ' : '\n')}\n`);
  } else for (const target of targets) target.signal(signal ?? 'TERM');
  return targets.length > 0 ? 0 : 1;
};

const timeout: Program = async (process) => {
  const { operands } = parseArguments(process.argv, { known: '', valued: 'sk', mixed: false });
  const ms = durationMs(operands[0] ?? '');
  if (ms === undefined) {
    await complain(process, `invalid number '${operands[0] ?? ''}'`);
    return 125;
  }
  const child = process.spawn(operands.slice(1));
  if (!child) return runCommand(process, operands.slice(1));
  let late = false;
  const cancel = process.world.clock.timer(ms, () => {
    late = true;
    child.process.signal('TERM');
  });
  const status = await child.ended;
  cancel();
  return late ? 143 : status;
};

const nohup: Program = (process) => runCommand(process, process.argv.slice(1));

/** Runs a command again and again; without a terminal the screens simply follow each other. */
const watch: Program = async (process) => {
  const { operands, value } = parseArguments(process.argv, { known: 't', valued: 'n', mixed: false });
  for (;;) {
    if (process.stdout.isTty) await process.stdout.write('\u001b[H\u001b[2J');
    await runCommand(process, ['sh', '-c', operands.join(' ')]);
    await process.sleep(Number(value('n') ?? 2) * 1000);
  }
};

const time: Program = async (process) => {
  const began = process.world.clock.monotonic();
  const status = await runCommand(process, process.argv.slice(1));
  const seconds = (process.world.clock.monotonic() - began) / 1000;
  await process.stderr.write(`real\t0m ${seconds.toFixed(2)}s\nuser\t0m 0.00s\nsys\t0m 0.00s\n`);
  return status;
};

const which: Program = async (process) => {
  let status = 0;
  for (const name of process.argv.slice(1)) {
    if (findProgram(process.world.programs, name)) await process.stdout.write(`/bin/${name}\n`);
    else status = 1;
  }
  return status;
};

const uptime: Program = async ({ stdout, world }) => {
  await stdout.write(` ${new Date(world.clock.now()).toISOString().slice(11, 19)} up 1 min,  0 users,  load average: 0.00, 0.00, 0.00\n`);
  return 0;
};

const free: Program = async ({ stdout }) => {
  await stdout.write(
    '              total        used        free      shared  buff/cache   available\nMem:        4194304      524288     3145728           0      524288     3670016\nSwap:             0           0           0\n',
  );
  return 0;
};

const nproc: Program = async ({ stdout }) => {
  await stdout.write('2\n');
  return 0;
};

const clear: Program = async ({ stdout }) => {
  if (stdout.isTty) await stdout.write('\u001b[H\u001b[2J');
  return 0;
};

const mount: Program = async ({ stdout }) => {
  await stdout.write('overlay on / type overlay (rw,relatime)\nproc on /proc type proc (rw,nosuid,nodev,noexec,relatime)\n');
  return 0;
};

const tty: Program = async ({ stdin, stdout }) => {
  await stdout.write(stdin.isTty ? '/dev/pts/0\n' : 'not a tty\n');
  return stdin.isTty ? 0 : 1;
};

export const SYSTEM: readonly (readonly [string, Program])[] = [
  ['clear', clear],
  ['date', date],
  ['env', env],
  ['free', free],
  ['hostname', hostname],
  ['id', id],
  ['kill', kill],
  ['mount', mount],
  ['nohup', nohup],
  ['nproc', nproc],
  ['pgrep', pkill],
  ['pidof', pkill],
  ['pkill', pkill],
  ['printenv', printenv],
  ['ps', ps],
  ['stty', () => 0],
  ['time', time],
  ['timeout', timeout],
  ['tty', tty],
  ['uname', uname],
  ['uptime', uptime],
  ['watch', watch],
  ['which', which],
  ['whoami', whoami],
];
