/** `npm run check`: types, lint, format, import fences and dead code, side by side. Prints each tool's findings; exits 1 if there are any. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

interface Check {
  name: string;
  command: readonly [string, ...string[]];
}

const CHECKS: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'types of the page', command: ['tsc', '-p', 'src/dashboard/web'] },
  { name: 'lint', command: ['oxlint', '--type-aware', 'src', 'test'] },
  { name: 'format', command: ['oxfmt', '--check', 'src', 'test'] },
  { name: 'fences', command: ['depcruise', '--config', '.dependency-cruiser.cjs', 'src'] },
  { name: 'dead code', command: ['knip', '--no-progress'] },
];

async function run({ name, command: [file, ...args] }: Check): Promise<boolean> {
  const started = performance.now();
  const result = await execa(file, args, { cwd: root, preferLocal: true, all: true, reject: false, timeout: 120_000 });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${result.failed ? '✗' : '✓'} ${name} (${seconds} s)`);
  if (result.failed) console.log(result.all || result.shortMessage);
  return !result.failed;
}

const only = process.argv.slice(2);
const results = await Promise.all(CHECKS.filter((check) => only.length === 0 || only.includes(check.name)).map(run));
process.exitCode = results.every(Boolean) ? 0 : 1;
