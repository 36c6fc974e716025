/**
 * `npm test`: builds, checks, then runs every test that this machine can run, and names at the end what was skipped and why.
 * `--long` adds the long forms (chaos, fuzz, soak). Further arguments are files to run instead of all.
 */
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
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

interface Group {
  name: string;
  files: readonly string[];
  concurrency: number;
}

/** Where reporters write what is told at the end. */
interface Reports {
  skips: string;
  failures: string;
}

/** Runs one group of test files; end-to-end groups one file at a time, since each has a whole cluster. Returns whether all passed. */
async function runGroup({ name, files, concurrency }: Group, { skips, failures }: Reports): Promise<boolean> {
  if (files.length === 0) return true;
  console.log(`── ${name}: ${files.length} files`);
  const reporter = (source: string, destination: string): string[] => [
    `--test-reporter=${source}`,
    `--test-reporter-destination=${destination}`,
  ];
  const reporters = [
    ...reporter('spec', 'stdout'),
    ...reporter(join(root, 'src/dev/skips-reporter.ts'), skips),
    ...reporter(join(root, 'src/dev/failures-reporter.ts'), failures),
  ];
  const result = await execa(
    process.execPath,
    ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=900000', ...reporters, ...files],
    {
      cwd: root,
      stdio: 'inherit',
      reject: false,
      env: { ROCKPOOL_TEST_LONG: long ? '1' : '' },
    },
  );
  return result.exitCode === 0;
}

const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').filter(Boolean);

/**
 * Files in which something failed are run once more, each alone: a machine that was busy for a moment fails nobody, and what fails twice is
 * broken. What passed only then is named at the end, since it wants mending too.
 */
async function runTwice(group: Group, reports: Reports, shaky: string[]): Promise<boolean> {
  if (await runGroup(group, reports)) return true;
  const failed = linesOf(reports.failures);
  // Many failures are no accident.
  if (failed.length === 0 || failed.length > MOST_ACCIDENTS) return false;
  const again = { name: `${group.name}, once more`, files: failed, concurrency: 1 };
  if (!(await runGroup(again, { skips: `${reports.skips}-again`, failures: `${reports.failures}-again` }))) return false;
  shaky.push(...failed.map((file) => relative(root, file)));
  return true;
}

const MOST_ACCIDENTS = 3;

async function main(): Promise<void> {
  if (!(await step('build', 'src/dev/build.ts'))) throw new Error('nothing can be tested that does not build');
  let passed = files.length > 0 || (await step('check', 'src/dev/check.ts'));
  const scratch = mkdtempSync(join(tmpdir(), 'rockpool-test-'));
  const groups: readonly (readonly [string, string[], number])[] =
    files.length > 0
      ? [['chosen', files, 1]]
      : [
          ['unit', globSync(['src/**/*.test.ts', 'test/house/*.test.ts', 'test/integration/**/*.test.ts'], { cwd: root }), 2],
          ['end to end', globSync('test/e2e/*.test.ts', { cwd: root }), 1],
          // These wait for their clusters more than they work.
          ['stories and conformance', globSync(['test/e2e/stories/*.test.ts', 'test/conformance/**/*.test.ts'], { cwd: root }), 2],
        ];
  const skipped: string[] = [];
  const shaky: string[] = [];
  for (const [index, [name, group, concurrency]] of groups.entries()) {
    const reports = { skips: join(scratch, `skips-${index}`), failures: join(scratch, `failures-${index}`) };
    passed = (await runTwice({ name, files: group.toSorted(), concurrency }, reports, shaky)) && passed;
    if (group.length > 0) skipped.push(...linesOf(reports.skips));
  }
  rmSync(scratch, { recursive: true, force: true });
  console.log(skipped.length === 0 ? 'Nothing was skipped.' : `Skipped here:\n${skipped.map((line) => `  ${line}`).join('\n')}`);
  if (shaky.length > 0) console.log(`Failed at first and passed when run again:\n${shaky.map((file) => `  ${file}`).join('\n')}`);
  if (!passed) process.exitCode = 1;
}

await main();
