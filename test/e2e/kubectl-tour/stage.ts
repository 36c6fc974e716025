/** Where a chapter of the tour plays: one kubectl, a namespace of its own. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'node:test';
import type { Options } from 'execa';
import { execa } from 'execa';
import type { Cluster, CommandResult } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';

export interface Kubectl {
  path: string;
  /** `1.36` */
  version: string;
}

export interface Stage {
  namespace: string;
  /** For names that are not in a namespace. */
  suffix: string;
  /** kubectl is at least 1.`minor`. */
  since(minor: number): boolean;
  /** Standard output; rejects when kubectl fails. */
  out(...args: string[]): Promise<string>;
  /** Runs kubectl; with `reject: false` failures come back. */
  run(args: readonly string[], options?: Options): Promise<CommandResult>;
  /** The message with which kubectl fails. */
  refused(...args: string[]): Promise<string>;
  /** A process that goes on, and all that it printed so far. Ended by `stop`. */
  start(...args: string[]): { printed(): string; stop(): Promise<void> };
  /** Writes a manifest and gives its path. */
  file(name: string, content: string | object): string;
}

/** Must be called inside a `describe`: the namespace is made before its tests. */
export function stage(cluster: () => Cluster, { path, version }: Kubectl, chapter: string): Stage {
  const suffix = `${chapter}-${version.replace('.', '-')}`;
  const namespace = `tour-${suffix}`;
  const minor = Number(version.split('.')[1]);
  // A kubectl trusts what another one cached for ten minutes: each has a home of its own.
  const folder = (): string => join(cluster().home, '..', `kubectl-${suffix}`);
  const env = () => ({ KUBECONFIG: cluster().kubeconfig, HOME: folder() });
  const run = async (args: readonly string[], options: Options = {}): Promise<CommandResult> => {
    const result = await execa(path, [...args], { timeout: 60_000, ...options, env: { ...env(), ...options.env } });
    return { stdout: String(result.stdout ?? ''), stderr: String(result.stderr ?? ''), exitCode: result.exitCode };
  };
  before(async () => {
    mkdirSync(folder(), { recursive: true });
    await run(['create', 'namespace', namespace]);
    // Pods are refused until the account that they run as is there.
    await eventually(() => run(['get', 'serviceaccount', 'default', '-n', namespace]), { within: 10_000 });
  });
  const inside = (args: readonly string[]): string[] => ['-n', namespace, ...args];
  return {
    namespace,
    suffix,
    since: (least) => minor >= least,
    run: (args, options) => run(inside(args), options),
    out: async (...args) => (await run(inside(args))).stdout,
    refused: async (...args) => {
      const { exitCode, stderr } = await run(inside(args), { reject: false });
      assert.notEqual(exitCode, 0, `kubectl ${args.join(' ')} was not refused`);
      return stderr;
    },
    start: (...args) => {
      let text = '';
      const child = execa(path, inside(args), { env: env(), reject: false, all: true, buffer: false });
      child.all.on('data', (chunk: Buffer) => (text += chunk.toString()));
      return {
        printed: () => text,
        stop: async () => {
          child.kill('SIGTERM');
          await child;
        },
      };
    },
    file: (name, content) => {
      const file = join(folder(), name);
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
      return file;
    },
  };
}

/** A Deployment of nginx, as a manifest. */
export function deployment(name: string, image: string, replicas = 1): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'nginx', image, imagePullPolicy: 'IfNotPresent', ports: [{ containerPort: 80 }] }] },
      },
    },
  };
}
