/** tar, as `kubectl cp` uses it: `tar cf - PATH…` and `tar xmf - -C FOLDER` (POSIX ustar, IEEE 1003.1 pax). */
import path from 'node:path';
import { type Input, readAll } from '../io.ts';
import type { Program } from '../model.ts';
import type { SimProcess } from '../process.ts';
import { absolute, complain } from './files-of.ts';

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const CHECKSUM_AT = 148;

export const tar: Program = async (process) => {
  const options = optionsOf(process);
  if (!options) {
    await process.stderr.write('Usage: tar c|x|t [f FILE] [-C DIR] [FILE]...\n');
    return 1;
  }
  const { letters, file, folder, names } = options;
  if (letters.includes('z')) {
    await complain(process, 'compression is not modelled');
    return 1;
  }
  if (letters.includes('c')) {
    const archive = await pack(process, folder, names);
    if (file === '-') await process.stdout.write(archive);
    else await process.world.files.write(absolute(process, file), archive);
    return 0;
  }
  const bytes = file === '-' ? await allOf(process.stdin, process) : await process.world.files.read(absolute(process, file));
  for (const entry of entriesOf(bytes)) {
    if (letters.includes('t')) await process.stdout.write(`${entry.name}\n`);
    else await extract(process, folder, entry);
  }
  return 0;
};

const allOf = (input: Input, process: SimProcess): Promise<Buffer> => readAll(input, process.killed);

interface Options {
  letters: string;
  file: string;
  folder: string;
  names: readonly string[];
}

/** Old style (`cf`) and new (`-c -f`); the letters that take a value take the next words, in their order. */
function optionsOf(process: SimProcess): Options | undefined {
  const words = process.argv.slice(1);
  let [letters, file, folder] = ['', '-', process.cwd];
  const names: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (at > 0 && !word.startsWith('-')) {
      names.push(word);
      continue;
    }
    if (word.startsWith('--')) continue;
    for (const letter of word.replace(/^-/, '')) {
      letters += letter;
      if (letter === 'f') file = words[++at] ?? '-';
      if (letter === 'C') folder = absolute(process, words[++at] ?? '.');
    }
  }
  return /[cxt]/.test(letters) ? { letters, file, folder, names } : undefined;
}

async function pack({ world }: SimProcess, folder: string, names: readonly string[]): Promise<Buffer> {
  const blocks: Buffer[] = [];
  const add = async (file: string, name: string): Promise<void> => {
    const info = await world.files.stat(file);
    if (!info) throw new Error(`${name}: No such file or directory`);
    if (info.type === 'directory') {
      blocks.push(header(`${name}/`, { size: 0, mode: info.mode, type: '5', modifiedAt: info.modifiedAt }));
      for (const child of await world.files.list(file)) await add(path.posix.join(file, child), `${name}/${child}`);
      return;
    }
    const data = await world.files.read(file);
    blocks.push(
      header(name, { size: data.length, mode: info.mode, type: '0', modifiedAt: info.modifiedAt }),
      data,
      Buffer.alloc(padding(data.length)),
    );
  };
  for (const name of names) await add(path.posix.resolve(folder, name), name.replace(/^\/+/, '').replace(/\/+$/, '') || '.');
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, { size, mode, type, modifiedAt }: { size: number; mode: number; type: string; modifiedAt: number }): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [prefix, base] = splitName(name);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(base, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7) + octal(0, 7), 108);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(modifiedAt / 1000), 11), 136);
  block.write(`        ${type}`, CHECKSUM_AT);
  block.write('ustar\u000000root', 257);
  block.write('root', 297);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, CHECKSUM_AT);
  return block;
}

/** A long name is cut in two at a slash. */
function splitName(name: string): [string, string] {
  if (Buffer.byteLength(name) <= NAME_BYTES) return ['', name];
  for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) {
    if (Buffer.byteLength(name.slice(at + 1)) <= NAME_BYTES && at <= PREFIX_BYTES) return [name.slice(0, at), name.slice(at + 1)];
  }
  throw new Error(`${name}: file name is too long`);
}

interface Entry {
  name: string;
  folder: boolean;
  mode: number;
  data: Buffer;
}

function* entriesOf(bytes: Buffer): Generator<Entry> {
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const text = (from: number, length: number): string => bytes.toString('utf8', at + from, at + from + length).replace(/\0[^]*$/, '');
    const size = Number.parseInt(text(124, 12), 8) || 0;
    const data = bytes.subarray(at + BLOCK, at + BLOCK + size);
    const type = String.fromCharCode(bytes[at + 156]!);
    const prefix = text(345, PREFIX_BYTES);
    const name = longName ?? (prefix === '' ? text(0, NAME_BYTES) : `${prefix}/${text(0, NAME_BYTES)}`);
    longName =
      type === 'L'
        ? data.toString('utf8').replace(/\0+$/, '')
        : type === 'x'
          ? /\d+ path=([^\n]*)\n/.exec(data.toString('utf8'))?.[1]
          : undefined;
    if (['0', '\0', '5'].includes(type))
      yield { name, folder: type === '5' || name.endsWith('/'), mode: Number.parseInt(text(100, 8), 8) || 0o644, data };
    at += BLOCK + size + padding(size);
  }
}

async function extract({ world }: SimProcess, folder: string, { name, folder: isFolder, mode, data }: Entry): Promise<void> {
  const file = path.posix.resolve(folder, name.replace(/^\/+/, ''));
  // As tar: nothing is written outside of the folder.
  if (file !== folder && !file.startsWith(folder === '/' ? '/' : `${folder}/`)) throw new Error(`${name}: Member name contains '..'`);
  if (isFolder) return world.files.makeFolder(file, { parents: true });
  await world.files.makeFolder(path.posix.dirname(file), { parents: true });
  await world.files.write(file, data);
  await world.files.chmod(file, mode & 0o777);
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
