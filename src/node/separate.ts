/**
 * Components as processes of their own: `node.mjs component NAME CONFIG [--leader-elect…]`. Each is a client of the API server over https
 * with the certificate of its identity and knows nothing else of the node; the same factories run in the node's process by default. Of
 * several schedulers, or controllers, for one cluster only the one that holds the Lease works.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { underLeaderElection } from '../client/leader-election.ts';
import { httpsTransport } from '../client/transports/https.ts';
import { serviceAccountTransports } from '../client/transports/service-account.ts';
import type { Component } from '../lib/component.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import type { SchedulerConfiguration } from '../scheduler/config/configuration.ts';
import { certificateAuthority, readPem, schedulerOptions } from './config.ts';
import type { LeaderElectionFlags } from './leader-flags.ts';
import type { NodeTools } from './run.ts';
import { supervise } from './supervise.ts';

export const SEPARATE = ['scheduler', 'controllers', 'kubelet'] as const;
export type SeparateName = (typeof SEPARATE)[number];

const CONTROLLERS_LEASE = 'kube-controller-manager';

const readyFile = (config: NodeConfig, name: SeparateName): string => join(config.runDir, `${name}.ready`);

/** Whether the component's process is there and has begun its work. */
export function runsSeparately(config: NodeConfig, name: SeparateName): boolean {
  return existsSync(readyFile(config, name));
}

/** The process of one component, kept running from here. */
export function separateProcess(name: SeparateName, configPath: string, config: NodeConfig, { clock, log }: NodeTools): Component {
  const marker = readyFile(config, name);
  rmSync(marker, { force: true });
  return supervise({
    name,
    command: process.execPath,
    args: [...process.execArgv, process.argv[1]!, 'component', name, configPath],
    pidFile: join(config.runDir, `${name}.pid`),
    probe: async () => {
      if (!runsSeparately(config, name)) throw new Error(`${name} is not ready`);
    },
    readyMs: 30_000,
    stopMs: 5_000,
    clock,
    log,
  });
}

/** Runs one component until the signal aborts. */
export async function runSeparately(
  name: SeparateName,
  config: NodeConfig,
  tools: NodeTools,
  { leaderElection, signal }: { leaderElection: LeaderElectionFlags; signal: AbortSignal },
): Promise<void> {
  const { clock, rng, log } = tools;
  const server = `https://127.0.0.1:${config.apiserver.port}`;
  const ca = readPem(config.pki, 'caCert');
  const connection = httpsTransport({ server, ca, clock, ...identityOf(name, config) });
  const component = name === 'scheduler' ? 'default-scheduler' : name;
  const newContext = (): ComponentContext => {
    const client = createClient({ transport: connection.transport, clock, log, rng });
    return { client, clock, rng, log: log.with({ component }), events: createRecorder({ client, clock, log, component }) };
  };
  const context = newContext();
  const identity = `${hostname()}_${rng.uuid()}`;
  const term = (): Component => aTerm(name, newContext, { config, tools, ca, server, signal, identity, leaderElection });
  const { elect, ...times } = leaderElection;
  const isElected = elect && name === 'controllers';
  const part = isElected ? underLeaderElection(context, { name: CONTROLLERS_LEASE, identity, ...times }, term) : term();
  try {
    await part.start(signal);
    writeFileSync(readyFile(config, name), '');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    rmSync(readyFile(config, name), { force: true });
    await part.stop();
    await context.client.close();
    await connection.close();
  }
}

/** The component from start to stop, with a client of its own: what was stopped stays stopped, and a leader may win its Lease again. */
function aTerm(name: SeparateName, newContext: () => ComponentContext, surroundings: Surroundings): Component {
  const context = newContext();
  let parts: Component[] = [];
  return {
    name,
    start: async (signal) => {
      parts = await makeParts(name, context, surroundings);
      await Promise.all(parts.map((part) => part.start(signal)));
    },
    stop: async () => {
      await Promise.allSettled(parts.map((part) => part.stop()));
      await context.client.close();
    },
  };
}

function identityOf(name: SeparateName, { pki }: NodeConfig): { cert: string; key: string } {
  if (name === 'kubelet') return { cert: readPem(pki, 'kubeletClientCert'), key: readPem(pki, 'kubeletClientKey') };
  const file = join(pki.componentsDir, name === 'controllers' ? 'controller-manager' : name);
  return { cert: readFileSync(`${file}.crt`, 'utf8'), key: readFileSync(`${file}.key`, 'utf8') };
}

interface Surroundings {
  config: NodeConfig;
  tools: NodeTools;
  ca: string;
  server: string;
  signal: AbortSignal;
  /** This process's own, among those of its kind. */
  identity: string;
  leaderElection: LeaderElectionFlags;
}

async function makeParts(
  name: SeparateName,
  context: ComponentContext,
  { config, tools, ca, server, signal, identity, leaderElection }: Surroundings,
): Promise<Component[]> {
  if (name === 'scheduler') {
    const { createScheduler } = await import('../scheduler/scheduler.ts');
    const { defaultConfiguration } = await import('../scheduler/config/configuration.ts');
    const { configuration = defaultConfiguration(), ...options } = await schedulerOptions(config);
    return [createScheduler(context, { ...options, identity, configuration: withFlags(configuration, leaderElection) })];
  }
  if (name === 'controllers') {
    const { createControllers } = await import('../controllers/registry.ts');
    // Each controller writes as its own service account: tokens are minted with this process's certificate and sent without it.
    const base = httpsTransport({ server, ca, clock: context.clock }).transport;
    return createControllers(context, {
      ...certificateAuthority(config),
      transportOf: serviceAccountTransports({ client: context.client, base, clock: context.clock }),
    });
  }
  const { bootRuntime, nodeKubelet } = await import('./kubelet.ts');
  const { runtime, parts } = await bootRuntime(config, tools, signal);
  return [...parts, nodeKubelet(config, context, runtime)];
}

/** The scheduler's own configuration says what upstream's flags do not. */
function withFlags(configuration: SchedulerConfiguration, flags: LeaderElectionFlags): SchedulerConfiguration {
  const { leaderElection } = configuration;
  const time = (ms: number | undefined, otherwise: string): string => (ms === undefined ? otherwise : `${ms}ms`);
  return {
    ...configuration,
    leaderElection: {
      ...leaderElection,
      leaderElect: flags.elect && leaderElection.leaderElect,
      leaseDuration: time(flags.leaseDurationMs, leaderElection.leaseDuration),
      renewDeadline: time(flags.renewDeadlineMs, leaderElection.renewDeadline),
      retryPeriod: time(flags.retryPeriodMs, leaderElection.retryPeriod),
    },
  };
}
