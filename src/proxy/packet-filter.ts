/** The door to the kernel's packet filter. Tests pass one that runs in a network namespace, or that only notes what it would do. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../lib/errors.ts';

export type PacketFilterCommand = 'nft' | 'conntrack' | 'iptables-save' | 'iptables-restore' | 'ip6tables-save' | 'ip6tables-restore';

export interface NftRunner {
  /** Runs a program with `input` on its stdin; resolves with its output, throws with what it said on stderr. A missing program throws ENOENT. */
  run(command: PacketFilterCommand, args: readonly string[], input: string, signal: AbortSignal): Promise<string>;
  /** Sets a kernel parameter by its path below /proc/sys; returns whether it could. */
  sysctl(path: string, value: string): Promise<boolean>;
}

/** What a program that failed said. */
export class CommandFailed extends Error {
  override name = 'CommandFailed';
  readonly stderr: string;

  constructor(command: string, code: number | null, stderr: string) {
    super(`${command} exited with ${code ?? 'a signal'}: ${stderr.trim().split('\n').slice(0, 3).join(' | ')}`);
    this.stderr = stderr;
  }
}

/** This machine's packet filter, or with `prefix` that of another namespace (`['ip', 'netns', 'exec', name]`). */
export function packetFilter({ prefix = [] }: { prefix?: readonly string[] } = {}): NftRunner {
  return {
    run(command, args, input, signal) {
      const [program, ...rest] = [...prefix, command, ...args] as [string, ...string[]];
      return runProgram(program, rest, input, signal);
    },
    async sysctl(path, value) {
      if (prefix.length > 0) {
        await runProgram(prefix[0]!, [...prefix.slice(1), 'sh', '-c', `echo ${value} > /proc/sys/${path}`], '', AbortSignal.timeout(5_000));
        return true;
      }
      try {
        await writeFile(join('/proc/sys', path), value);
        return true;
      } catch (error) {
        if (['EROFS', 'EACCES', 'EPERM', 'ENOENT'].includes(errorCode(error) ?? '')) return false;
        throw error;
      }
    },
  };
}

function runProgram(program: string, args: readonly string[], input: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], signal });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A program that ends before it read everything tells why on stderr; the broken pipe adds nothing to that.
    child.stdin.on('error', (error) => (errorCode(error) === 'EPIPE' ? undefined : reject(error)));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(stdout) : reject(new CommandFailed(program, code, stderr))));
    child.stdin.end(input);
  });
}
