/**
 * The node process: `node.mjs CONFIG` runs the node that the file describes; `node.mjs image import -` brings the archive on stdin into the
 * running node's runtime. One line of JSON on stdout tells how the start went (NodeReport); everything else goes to stderr.
 */
import { writeFileSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { errorCode, errorMessage } from '../lib/errors.ts';
import { createLogger } from '../lib/log.ts';
import type { NodeReport } from '../lib/node-config.ts';
import { systemRng } from '../lib/random.ts';
import { ConfigError, readNodeConfig, UserFileError } from './config.ts';
import { containerdSocket } from './containerd.ts';
import { startNode } from './run.ts';
import { readLeaderElectionFlags } from './leader-flags.ts';
import { SEPARATE, runSeparately } from './separate.ts';
import { startupTrace } from './trace.ts';

const STOP_DEADLINE_MS = 15_000;
const FLUSH_AFTER_MS = 5_000;
/** Where the configuration stands in a node container. */
const CONFIG_IN_NODE = '/var/lib/rockpool/node.json';

const report = (value: NodeReport): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

/** What the lifecycle manager can act upon: a port that is taken and a full disk have codes of their own. */
function reportFailure(error: unknown): void {
  const codes: unknown[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) codes.push(errorCode(cause));
  const known = codes.includes('EADDRINUSE')
    ? 'PORT_IN_USE'
    : codes.includes('ENOSPC') || codes.includes('NoSpace')
      ? 'DISK_FULL'
      : 'NODE_START';
  const code = error instanceof UserFileError ? error.code : error instanceof ConfigError ? 'INTERNAL' : known;
  report({ ready: false, code, message: error instanceof UserFileError ? error.message : errorMessage(error) });
}

async function runNode(configPath: string): Promise<void> {
  const config = readNodeConfig(configPath);
  const clock = systemClock();
  const log = createLogger({ level: config.logLevel ?? 'info' });
  const trace = startupTrace(() => clock.monotonic());
  trace.mark('loaded');
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<void>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => (stopping.abort(new Error(`received ${signal}`)), stopped.resolve()));
  process.on('unhandledRejection', (error) =>
    log.error('an error that nobody handled', { error: errorMessage(error), stack: error instanceof Error ? error.stack : '' }),
  );

  const node = await startNode(config, configPath, { clock, rng: systemRng(), log, trace }, stopping.signal);
  trace.mark('ready');
  if (config.traceStartup) writeFileSync(join(config.runDir, 'startup.json'), JSON.stringify(trace.phases, null, 2));
  report({ ready: true, phases: { ...trace.phases }, apiserverPort: node.apiserverPort });
  // Where the cache is not baked into an image: the next start has it even if this process is killed. Later, since now the first clients come.
  if (config.runtime === 'sim') clock.timer(FLUSH_AFTER_MS, flushCompileCache);
  await stopped.promise;
  // A part that hangs must not keep the node from going.
  const cancel = clock.timer(STOP_DEADLINE_MS, () => process.exit(1));
  await node.stop();
  cancel();
}

/** Prints the names that the node's runtime has now. */
async function importImages(configPath: string): Promise<void> {
  const { runDir, dataDir } = readNodeConfig(configPath);
  const { importImageArchive } = await import('../kubelet/runtime/cri/import.ts');
  const names = await importImageArchive(containerdSocket(runDir), process.stdin, { scratchDir: dataDir, pinned: true });
  process.stdout.write(names.map((name) => `${name}\n`).join(''));
}

async function runComponent(name: string, configPath: string, flags: readonly string[]): Promise<void> {
  const known = SEPARATE.find((each) => each === name);
  if (!known) throw new ConfigError(`component: must be one of ${SEPARATE.join(', ')}`);
  const leaderElection = readLeaderElectionFlags(flags);
  const config = readNodeConfig(configPath);
  const clock = systemClock();
  const stopping = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort(new Error(`received ${signal}`)));
  const log = createLogger({ level: config.logLevel ?? 'info' });
  const tools = { clock, rng: systemRng(), log, trace: startupTrace(() => clock.monotonic()) };
  await runSeparately(known, config, tools, { leaderElection, signal: stopping.signal });
}

async function runWarmUp(): Promise<void> {
  const { warmUp } = await import('./warm-up.ts');
  const clock = systemClock();
  await warmUp({ clock, rng: systemRng(), log: createLogger({ level: 'error' }), trace: startupTrace(() => clock.monotonic()) });
}

const [first, second, third, ...flags] = process.argv.slice(2);
const isImport = first === 'image' && second === 'import';
try {
  if (!first) throw new ConfigError('usage: node.mjs CONFIG | node.mjs image import - | node.mjs component NAME CONFIG [--leader-elect…]');
  if (isImport) await importImages(process.env['ROCKPOOL_NODE_CONFIG'] ?? CONFIG_IN_NODE);
  else if (first === '--warm-up') await runWarmUp();
  else if (first === 'component') await runComponent(second ?? '', third ?? '', flags);
  else await runNode(first);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${isImport ? errorMessage(error) : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  if (!isImport) reportFailure(error);
  process.exit(1);
}
