import { readFile } from 'node:fs/promises';
import { errorCode } from '../lib/errors.ts';

/**
 * When process `pid` began, in a form that only serves for comparison, or undefined when there is no such process (or only its zombie).
 * A pid alone names a process only until it is used again; with its start time it cannot be mistaken for another.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  if (!isAlive(pid)) return undefined;
  if (process.platform === 'linux') return startFromProc(pid);
  if (process.platform === 'win32') return `pid-${pid}`;
  try {
    const { execa } = await import('execa');
    const { stdout } = await execa('ps', ['-o', 'lstart=', '-p', String(pid)], { timeout: 5000 });
    return stdout.trim() || undefined;
  } catch (error) {
    // ps exits with 1 when the process has gone since.
    if (error instanceof Error && 'exitCode' in error && error.exitCode === 1) return undefined;
    throw error;
  }
}

/** Sends the signal; a process that has gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

async function startFromProc(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in parentheses and may hold anything; fields are counted after it. Field 3 is the state, 22 the start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}
