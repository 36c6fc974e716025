/**
 * Components as processes of their own: `node.mjs component NAME CONFIG`. Each is a client of the API server over https with the certificate
 * of its identity and knows nothing else of the node; the same factories run in the node's process by default.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '../client/new-client.ts';
import { createRecorder } from '../client/recorder.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { httpsTransport } from '../client/transports/https.ts';
import { serviceAccountTransports } from '../client/transports/service-account.ts';
import type { Component } from '../lib/component.ts';
import type { NodeConfig } from '../lib/node-config.ts';
import { certificateAuthority, readPem, schedulerOptions } from './config.ts';
import type { NodeTools } from './run.ts';
import { supervise } from './supervise.ts';

export const SEPARATE = ['scheduler', 'controllers', 'kubelet'] as const;
export type SeparateName = (typeof SEPARATE)[number];

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
export async function runSeparately(name: SeparateName, config: NodeConfig, tools: NodeTools, signal: AbortSignal): Promise<void> {
  const { clock, rng, log } = tools;
  const server = `https://127.0.0.1:${config.apiserver.port}`;
  const ca = readPem(config.pki, 'caCert');
  const connection = httpsTransport({ server, ca, clock, ...identityOf(name, config) });
  const client = createClient({ transport: connection.transport, clock, log, rng });
  const component = name === 'scheduler' ? 'default-scheduler' : name;
  const context: ComponentContext = {
    client,
    clock,
    rng,
    log: log.with({ component }),
    events: createRecorder({ client, clock, log, component }),
  };
  const parts = await makeParts(name, { config, context, tools, ca, server, signal });
  try {
    await Promise.all(parts.map((part) => part.start(signal)));
    writeFileSync(readyFile(config, name), '');
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    rmSync(readyFile(config, name), { force: true });
    await Promise.allSettled(parts.map((part) => part.stop()));
    await client.close();
    await connection.close();
  }
}

function identityOf(name: SeparateName, { pki }: NodeConfig): { cert: string; key: string } {
  if (name === 'kubelet') return { cert: readPem(pki, 'kubeletClientCert'), key: readPem(pki, 'kubeletClientKey') };
  const file = join(pki.componentsDir, name === 'controllers' ? 'controller-manager' : name);
  return { cert: readFileSync(`${file}.crt`, 'utf8'), key: readFileSync(`${file}.key`, 'utf8') };
}

interface Surroundings {
  config: NodeConfig;
  context: ComponentContext;
  tools: NodeTools;
  ca: string;
  server: string;
  signal: AbortSignal;
}

async function makeParts(name: SeparateName, { config, context, tools, ca, server, signal }: Surroundings): Promise<Component[]> {
  if (name === 'scheduler') {
    const { createScheduler } = await import('../scheduler/scheduler.ts');
    return [createScheduler(context, await schedulerOptions(config))];
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
