/**
 * `npm test`: builds, checks, then runs every test that this machine can run, and names at the end what was skipped and why.
 * `--long` adds the long forms (chaos, fuzz, soak). Further arguments are files to run instead of all.
 */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const args = process.argv.slice(2);
const long = args.includes('--long');
const files = args.filter((argument) => !argument.startsWith('--'));

/** Runs one of our scripts; whether it succeeded. */
async function step(name: string, script: string): Promise<boolean> {
  console.log(`── ${name}`);
  const { exitCode } = await execa(process.execPath, [script], { cwd: root, stdio: 'inherit', reject: false });
  return exitCode === 0;
}

/** Runs one group of test files; end-to-end groups one file at a time, since each has a whole cluster. Returns whether all passed. */
async function runGroup(name: string, group: readonly string[], concurrency: number, skips: string): Promise<boolean> {
  if (group.length === 0) return true;
  console.log(`── ${name}: ${group.length} files`);
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${join(root, 'src/dev/skips-reporter.ts')}`,
    `--test-reporter-destination=${skips}`,
  ];
  const result = await execa(
    process.execPath,
    ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=900000', ...reporters, ...group],
    {
      cwd: root,
      stdio: 'inherit',
      reject: false,
      env: { ROCKPOOL_TEST_LONG: long ? '1' : '' },
    },
  );
  return result.exitCode === 0;
}

async function main(): Promise<void> {
  if (!(await step('build', 'src/dev/build.ts'))) throw new Error('nothing can be tested that does not build');
  let passed = files.length > 0 || (await step('check', 'src/dev/check.ts'));
  const scratch = mkdtempSync(join(tmpdir(), 'rockpool-test-'));
  const groups: [string, string[], number][] =
    files.length > 0
      ? [['chosen', files, 1]]
      : [
          ['unit', globSync(['src/**/*.test.ts', 'test/house/*.test.ts', 'test/integration/**/*.test.ts'], { cwd: root }), 2],
          ['end to end', globSync('test/e2e/*.test.ts', { cwd: root }), 1],
          // These wait for their clusters more than they work.
          ['stories and conformance', globSync(['test/e2e/stories/*.test.ts', 'test/conformance/**/*.test.ts'], { cwd: root }), 2],
        ];
  const skipped: string[] = [];
  for (const [index, [name, group, concurrency]] of groups.entries()) {
    const skips = join(scratch, `skips-${index}`);
    passed = (await runGroup(name, group.toSorted(), concurrency, skips)) && passed;
    if (group.length > 0) skipped.push(...readFileSync(skips, 'utf8').split('\n').filter(Boolean));
  }
  rmSync(scratch, { recursive: true, force: true });
  console.log(skipped.length === 0 ? 'Nothing was skipped.' : `Skipped here:\n${skipped.map((line) => `  ${line}`).join('\n')}`);
  if (!passed) process.exitCode = 1;
}

await main();
