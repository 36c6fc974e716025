import { spawn } from 'node:child_process';
import type { Output } from './output.ts';

/** Opens the address with what the system has for it. Where it has nothing, says so: the address stands on the terminal already. */
export async function openInBrowser(url: string, output: Output): Promise<void> {
  const [program, ...args] = opener(url);
  const opened = await new Promise<boolean>((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore', detached: true });
    child.once('error', () => resolve(false));
    child.once('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
  if (!opened) output.info(`No browser was found here (${program}); open ${url} yourself.`);
}

function opener(url: string): [string, ...string[]] {
  if (process.platform === 'darwin') return ['open', url];
  if (process.platform === 'win32') return ['cmd', '/c', 'start', '', url.replaceAll('&', '^&')];
  return ['xdg-open', url];
}
