/** The `rockpool` command on the laptop: the only place here that knows the environment, the hour and how a process ends. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClusterContext } from '../cluster/context.ts';
import { rockpoolHome } from '../cluster/paths.ts';
import { failure } from '../cluster/reasons.ts';
import { systemClock } from '../lib/clock.ts';
import { RockpoolError, errorCode, errorMessage } from '../lib/errors.ts';
import { systemRng } from '../lib/random.ts';
import { Output } from './output.ts';
import { parseCommandLine } from './parse.ts';

const INTERRUPT_GRACE_MS = 20_000;

async function main(argv: readonly string[]): Promise<number> {
  const rng = systemRng();
  const clock = systemClock();
  const interrupted = new AbortController();
  // Known before the command line is understood, so that its faults too are told in the form that was asked for.
  const events = argv.some(
    (word, i) => word === '--output=json' || word === '-ojson' || (word === 'json' && /^(-o|--output)$/.test(argv[i - 1] ?? '')),
  );
  const output = new Output({
    stdout: process.stdout,
    stderr: process.stderr,
    events: false,
    animated: isAnimated(),
    rng,
  });
  catchInterrupts(interrupted, output);
  try {
    const parsed = await parseCommandLine(argv, process.env);
    if (parsed.kind === 'printed') return 0;
    const root = packageRoot();
    const context: ClusterContext = {
      home: rockpoolHome(process.env, homedir()),
      userHome: homedir(),
      packageRoot: root,
      version: versionOf(root),
      env: process.env,
      clock,
      rng,
      progress: output,
      signal: interrupted.signal,
    };
    if (parsed.kind === 'kubectl') return await (await import('./commands/kubectl.ts')).runKubectl(parsed.profile, parsed.args, context);
    if (parsed.args.output === 'json' && parsed.command.json === 'events') output.useEvents();
    const code = await parsed.command.run(parsed.args, { context, output });
    output.close();
    return code;
  } catch (error) {
    const told = interrupted.signal.aborted
      ? failure('INTERRUPTED', 'interrupted; what this command had begun was taken back')
      : asRockpoolError(error);
    if (events) output.useEvents();
    output.error(told, { verbose: Boolean(process.env['ROCKPOOL_DEBUG']) || told.code === 'INTERNAL' });
    return told.exitCode;
  }
}

/** A terminal that does not know its width (0, as under script(1)) cannot be drawn on: ora would clear lines without end. */
function isAnimated(): boolean {
  return process.stderr.isTTY && (process.stderr.columns ?? 0) > 0 && !process.env['CI'] && process.env['TERM'] !== 'dumb';
}

/** The first Ctrl-C lets the command take back what it made; a second one, or too long a clean-up, ends it at once. */
function catchInterrupts(interrupted: AbortController, output: Output): void {
  const onSignal = (): void => {
    if (interrupted.signal.aborted) process.exit(130);
    output.warn('interrupted: taking back what was begun (once more to end at once)');
    interrupted.abort(failure('INTERRUPTED', 'interrupted'));
    systemClock({ unref: true }).timer(INTERRUPT_GRACE_MS, () => process.exit(130));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // A reader that has read enough (`rockpool logs | head`) is no failure.
  process.stdout.on('error', (error) => process.exit(errorCode(error) === 'EPIPE' ? 0 : 1));
}

function asRockpoolError(error: unknown): RockpoolError {
  if (error instanceof RockpoolError) return error;
  if (errorCode(error) === 'ENOSPC') return failure('DISK_FULL', errorMessage(error), { cause: error });
  const told = failure('INTERNAL', errorMessage(error), { cause: error });
  if (error instanceof Error && error.stack) told.stack = error.stack;
  return told;
}

/** The folder of Rockpool's package.json: above dist/ in an installation, above src/cli/ in a checkout. */
function packageRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'package.json'))) dir = dirname(dir);
  return dir;
}

function versionOf(root: string): string {
  return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
}

process.exit(await main(process.argv.slice(2)));
