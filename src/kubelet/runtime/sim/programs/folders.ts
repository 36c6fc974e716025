/** Programs that look at files and folders and change them. */
import path from 'node:path';
import type { FileInfo } from '../files.ts';
import type { Program } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { matchesPattern } from '../shell/pattern.ts';
import { parseArguments } from './arguments.ts';
import { absolute, complain, eachFile } from './files-of.ts';

const ls: Program = async (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'laA1hdRtrSFinp', long: { color: '1', all: 'a' } });
  const names = operands.length > 0 ? operands : ['.'];
  return eachFile(process, names, { failed: (name) => name }, async (file, name) => {
    const info = await process.world.files.stat(file);
    if (!info) throw missing();
    if (info.type === 'file' || flags.has('d')) return process.stdout.write(await listing(process, [{ name, info }], flags));
    if (names.length > 1) await process.stdout.write(`${name}:\n`);
    await process.stdout.write(await listing(process, await entriesOf(process, file, flags), flags));
  });
};

interface Listed {
  name: string;
  info: FileInfo;
}

async function entriesOf({ world }: SimProcess, folder: string, flags: ReadonlySet<string>): Promise<Listed[]> {
  const entries: Listed[] = [];
  for (const name of await world.files.list(folder)) {
    if (name.startsWith('.') && !flags.has('a') && !flags.has('A')) continue;
    const info = await world.files.stat(path.posix.join(folder, name));
    if (info) entries.push({ name, info });
  }
  if (flags.has('t')) entries.sort((a, b) => b.info.modifiedAt - a.info.modifiedAt);
  if (flags.has('r')) entries.reverse();
  const self = (await world.files.stat(folder))!;
  return flags.has('a') ? [{ name: '.', info: self }, { name: '..', info: self }, ...entries] : entries;
}

async function listing({ stdout, world }: SimProcess, entries: readonly Listed[], flags: ReadonlySet<string>): Promise<string> {
  if (!flags.has('l'))
    return stdout.isTty && !flags.has('1')
      ? entries.length > 0
        ? `${entries.map(({ name }) => name).join('  ')}\n`
        : ''
      : entries.map(({ name }) => `${name}\n`).join('');
  const total = entries.reduce((sum, { info }) => sum + Math.ceil(info.size / 1024), 0);
  const lines = entries.map(({ name, info }) => {
    const kind = info.type === 'directory' ? 'd' : '-';
    const size = flags.has('h') ? human(info.size) : String(info.size);
    return `${kind}${modeText(info.mode)} ${String(info.type === 'directory' ? 2 : 1).padStart(4)} ${world.user.name.padEnd(8)} ${world.user.name.padEnd(8)} ${size.padStart(9)} ${dateText(info.modifiedAt)} ${name}\n`;
  });
  return `${flags.has('d') ? '' : `total ${total}\n`}${lines.join('')}`;
}

function modeText(mode: number): string {
  return [6, 3, 0].map((shift) => ['r', 'w', 'x'].map((letter, at) => ((mode >> shift) & (4 >> at) ? letter : '-')).join('')).join('');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function dateText(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${MONTHS[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

export function human(bytes: number): string {
  const units = ['', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return unit === 0 ? String(value) : `${value.toFixed(1)}${units[unit]}`;
}

/** As the file system would say it; caught where programs tell of their files. */
function missing(): Error {
  const error = new Error('No such file or directory');
  error.name = 'FileError';
  return error;
}

const mkdir: Program = (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'p', valued: 'm', long: { parents: 'p' } });
  return eachFile(process, operands, { failed: (name) => `can't create directory '${name}'` }, (file) =>
    process.world.files.makeFolder(file, { parents: flags.has('p') }),
  );
};

const rm: Program = (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'rRfiv', long: { recursive: 'r', force: 'f' } });
  const recursive = flags.has('r') || flags.has('R');
  return eachFile(process, operands, { failed: (name) => `can't remove '${name}'` }, async (file) => {
    const info = await process.world.files.stat(file);
    if (!info && flags.has('f')) return;
    await process.world.files.remove(file, { recursive });
  });
};

const rmdir: Program = (process) =>
  eachFile(process, process.argv.slice(1), { failed: (name) => `'${name}'` }, async (file) => {
    if ((await process.world.files.list(file)).length > 0) throw Object.assign(missing(), { message: 'Directory not empty' });
    await process.world.files.remove(file, { recursive: true });
  });

/** The last operand is where to; into a folder the name stays. */
async function destination(process: SimProcess, operands: readonly string[]): Promise<(file: string) => string> {
  const to = absolute(process, operands.at(-1) ?? '');
  const folder = (await process.world.files.stat(to))?.type === 'directory';
  return (file) => (folder ? path.posix.join(to, path.posix.basename(file)) : to);
}

const cp: Program = async (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'rRapfv', long: { recursive: 'r' } });
  if (operands.length < 2) return usage(process, 'cp [-r] SOURCE... DEST');
  const to = await destination(process, operands);
  const recursive = ['r', 'R', 'a'].some((letter) => flags.has(letter));
  return eachFile(process, operands.slice(0, -1), { failed: (name) => `can't stat '${name}'` }, async (file, name) => {
    if ((await process.world.files.stat(file))?.type === 'directory' && !recursive)
      return complain(process, `omitting directory '${name}'`);
    await copyTree(process, file, to(file));
  });
};

async function copyTree(process: SimProcess, from: string, to: string): Promise<void> {
  const { files } = process.world;
  if ((await files.stat(from))?.type !== 'directory') return files.write(to, await files.read(from));
  await files.makeFolder(to, { parents: true });
  for (const name of await files.list(from)) await copyTree(process, path.posix.join(from, name), path.posix.join(to, name));
}

const mv: Program = async (process) => {
  const { operands } = parseArguments(process.argv, { known: 'fivn' });
  if (operands.length < 2) return usage(process, 'mv SOURCE... DEST');
  const to = await destination(process, operands);
  return eachFile(process, operands.slice(0, -1), { failed: (name) => `can't rename '${name}'` }, (file) =>
    process.world.files.move(file, to(file)),
  );
};

const touch: Program = (process) => {
  const { operands } = parseArguments(process.argv, { known: 'acm', valued: 'dt' });
  return eachFile(process, operands, { failed: (name) => name }, (file) => process.world.files.touch(file, process.world.clock.now()));
};

const chmod: Program = (process) => {
  const { operands } = parseArguments(
    process.argv.map((word, at) => (at > 0 && /^-[rwx]+$/.test(word) ? `a${word}` : word)),
    { known: 'R' },
  );
  const [mode = '', ...names] = operands;
  return eachFile(process, names, { failed: (name) => name }, async (file) => {
    const info = await process.world.files.stat(file);
    if (!info) throw missing();
    await process.world.files.chmod(file, changedMode(info.mode, mode));
  });
};

function changedMode(before: number, text: string): number {
  if (/^[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return text.split(',').reduce((mode, part) => {
    const match = /^([ugoa]*)([-+=])([rwxX]*)$/.exec(part);
    if (!match) throw new Error(`invalid mode '${text}'`);
    const who = match[1] === '' || match[1]!.includes('a') ? 'ugo' : match[1]!;
    const bits = [...match[3]!].reduce((sum, letter) => sum | { r: 4, w: 2, x: 1, X: 1 }[letter as 'r'], 0);
    const mask = [...who].reduce((sum, letter) => sum | (bits << { u: 6, g: 3, o: 0 }[letter as 'u']), 0);
    return match[2] === '+' ? mode | mask : match[2] === '-' ? mode & ~mask : mask;
  }, before);
}

const ln: Program = async (process) => {
  const { operands } = parseArguments(process.argv, { known: 'sfn' });
  const [target = '', name = path.posix.basename(target)] = operands;
  return eachFile(process, [name], { failed: () => name }, (file) => process.world.files.link(target, file));
};

const stat: Program = (process) => {
  const { operands } = parseArguments(process.argv, { known: 'L', valued: 'c' });
  return eachFile(process, operands, { failed: (name) => `can't stat '${name}'` }, async (file, name) => {
    const info = await process.world.files.stat(file);
    if (!info) throw missing();
    await process.stdout.write(
      `  File: ${name}\n  Size: ${info.size}\t${info.type === 'directory' ? 'directory' : 'regular file'}\nAccess: (0${info.mode.toString(8)})\nModify: ${new Date(info.modifiedAt).toISOString()}\n`,
    );
  });
};

const find: Program = async (process) => {
  const { argv } = process;
  const firstTest = argv.findIndex((word, at) => at > 0 && word.startsWith('-'));
  const roots = argv.slice(1, firstTest < 0 ? argv.length : firstTest);
  const tests = firstTest < 0 ? [] : argv.slice(firstTest);
  const option = (name: string): string | undefined => (tests.includes(name) ? tests[tests.indexOf(name) + 1] : undefined);
  const [name, type] = [option('-name') ?? option('-iname'), option('-type')];
  const [least, most] = [Number(option('-mindepth') ?? 0), Number(option('-maxdepth') ?? Number.POSITIVE_INFINITY)];
  const deletes = tests.includes('-delete');
  const walk = async (shown: string, level: number): Promise<void> => {
    const file = absolute(process, shown);
    const info = await process.world.files.stat(file);
    if (!info) throw missing();
    const isKind = !type || (type === 'd') === (info.type === 'directory');
    const fits = level >= least && isKind && (!name || matchesPattern(path.posix.basename(shown), name));
    if (fits && !deletes) await process.stdout.write(`${shown}\n`);
    if (info.type === 'directory' && level < most)
      for (const child of await process.world.files.list(file)) await walk(`${shown.replace(/\/$/, '')}/${child}`, level + 1);
    // a folder goes after what is in it
    if (fits && deletes) await process.world.files.remove(file, { recursive: info.type === 'directory' });
  };
  return eachFile(process, roots.length > 0 ? roots : ['.'], { failed: (root) => root }, (_, root) => walk(root, 0));
};

const df: Program = async ({ stdout }) => {
  await stdout.write(
    'Filesystem           1K-blocks      Used Available Use% Mounted on\noverlay               10485760   1048576   9437184  10% /\n',
  );
  return 0;
};

const du: Program = (process) => {
  const { flags, operands } = parseArguments(process.argv, { known: 'shka' });
  const size = async (file: string): Promise<number> => {
    const info = await process.world.files.stat(file);
    if (!info) throw missing();
    if (info.type === 'file') return info.size;
    let sum = info.size;
    for (const name of await process.world.files.list(file)) sum += await size(path.posix.join(file, name));
    return sum;
  };
  return eachFile(process, operands.length > 0 ? operands : ['.'], { failed: (name) => name }, async (file, name) => {
    const bytes = await size(file);
    await process.stdout.write(`${flags.has('h') ? human(bytes) : Math.ceil(bytes / 1024)}\t${name}\n`);
  });
};

const mktemp: Program = async (process) => {
  const { flags } = parseArguments(process.argv, { known: 'd', valued: 'p' });
  const file = `/tmp/tmp.${process.pid.toString(36)}${process.world.clock.now().toString(36).slice(-5)}`;
  if (flags.has('d')) await process.world.files.makeFolder(file);
  else await process.world.files.write(file, '');
  await process.stdout.write(`${file}\n`);
  return 0;
};

const basename: Program = async ({ argv, stdout }) => {
  await stdout.write(`${path.posix.basename(argv[1] ?? '', argv[2])}\n`);
  return 0;
};

const dirname: Program = async ({ argv, stdout }) => {
  await stdout.write(`${path.posix.dirname(argv[1] ?? '')}\n`);
  return 0;
};

const realpath: Program = async (process) => {
  for (const name of process.argv.slice(1)) if (!name.startsWith('-')) await process.stdout.write(`${absolute(process, name)}\n`);
  return 0;
};

async function usage(process: SimProcess, text: string): Promise<number> {
  await process.stderr.write(`Usage: ${text}\n`);
  return 1;
}

export const FOLDERS: readonly (readonly [string, Program])[] = [
  ['basename', basename],
  ['chmod', chmod],
  ['chown', () => 0],
  ['chgrp', () => 0],
  ['cp', cp],
  ['df', df],
  ['dirname', dirname],
  ['du', du],
  ['find', find],
  ['ln', ln],
  ['ls', ls],
  ['mkdir', mkdir],
  ['mktemp', mktemp],
  ['mv', mv],
  ['readlink', realpath],
  ['realpath', realpath],
  ['rm', rm],
  ['rmdir', rmdir],
  ['stat', stat],
  ['sync', () => 0],
  ['touch', touch],
];
