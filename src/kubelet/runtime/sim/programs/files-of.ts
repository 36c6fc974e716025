/** What programs that read or change files have in common. */
import path from 'node:path';
import { type Input, inputOf } from '../io.ts';
import type { SimProcess } from '../process.ts';

/** The absolute form of a path as written. */
export function absolute(process: SimProcess, file: string): string {
  return path.posix.resolve(process.cwd, file);
}

/** Opens `-` and named files in turn; what cannot be read is told and makes the result false. Without names, stdin. */
export async function eachInput(
  process: SimProcess,
  names: readonly string[],
  action: (input: Input, name: string) => Promise<void>,
): Promise<boolean> {
  let fine = true;
  for (const name of names.length > 0 ? names : ['-']) {
    try {
      const file = absolute(process, name);
      const input = name === '-' || file === '/dev/stdin' ? process.stdin : inputOf(await readFile(process, file));
      await action(input, name);
    } catch (error) {
      if (!isFileError(error)) throw error;
      fine = false;
      await complain(
        process,
        `${process.argv[0] === 'cat' ? "can't open " : ''}${process.argv[0] === 'cat' ? `'${name}'` : name}: ${error.message}`,
      );
    }
  }
  return fine;
}

async function readFile(process: SimProcess, file: string): Promise<Buffer> {
  return (await procFile(process, file)) ?? process.world.files.read(file);
}

/** The little of /proc that people look at. */
async function procFile({ world, pid }: SimProcess, file: string): Promise<Buffer | undefined> {
  const match = /^\/proc\/(self|\d+)\/(cmdline|environ|comm)$/.exec(file);
  if (!match) return undefined;
  const found = world.processes.get(match[1] === 'self' ? pid : Number(match[1]));
  if (!found) return undefined;
  if (match[2] === 'comm') return Buffer.from(`${found.argv[0]}\n`);
  const words = match[2] === 'cmdline' ? found.argv : [...found.env].map(([name, value]) => `${name}=${value}`);
  return Buffer.from(words.map((word) => `${word}\0`).join(''));
}

export function isFileError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'FileError';
}

export async function complain(process: SimProcess, message: string): Promise<void> {
  await process.stderr.write(`${process.argv[0]!.replace(/^.*\//, '')}: ${message}\n`);
}

/** Does something with each file; what fails is told in the program's words and makes the exit code 1. */
export async function eachFile(
  process: SimProcess,
  names: readonly string[],
  { failed }: { failed: (name: string) => string },
  action: (file: string, name: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const name of names) {
    try {
      await action(absolute(process, name), name);
    } catch (error) {
      if (!isFileError(error)) throw error;
      status = 1;
      await complain(process, `${failed(name)}: ${error.message}`);
    }
  }
  return status;
}
