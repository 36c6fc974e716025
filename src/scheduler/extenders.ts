/**
 * HTTP extenders (upstream's "scheduler_extender" design): other programs that filter and rank nodes, choose victims, or bind. Their JSON has
 * Go's field names; answers are read whatever their case, as Go does.
 */
import { readFileSync } from 'node:fs';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { Node, Pod } from '../api/types.gen.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ExtenderConfiguration, ExtenderTls } from './config/configuration.ts';
import { durationMs } from './config/shape.ts';
import type { Rejection } from './framework.ts';
import type { PreemptionPlan } from './preemption.ts';
import type { NodeInfo, PodInfo } from './snapshot.ts';

const DEFAULT_TIMEOUT_MS = 5000;
/** Extenders give 0–10, plugins 0–100. */
const SCORE_SCALE = 10;

export interface Extender {
  readonly url: string;
  isInterested(pod: PodInfo): boolean;
  /** The nodes that are left; why the others are not goes into `rejections`. */
  filter(pod: Pod, nodes: readonly NodeInfo[], rejections: Map<string, Rejection>, signal: AbortSignal): Promise<readonly NodeInfo[]>;
  /** Adds its weighted points by node. */
  prioritize(pod: Pod, nodes: readonly NodeInfo[], points: Map<string, number>, signal: AbortSignal): Promise<void>;
  /** The candidates that are left, with fewer or other victims. */
  preempt(pod: Pod, candidates: readonly PreemptionPlan[], signal: AbortSignal): Promise<readonly PreemptionPlan[]>;
  /** Binds in the scheduler's place; undefined when it does not. */
  bind?(pod: Pod, nodeName: string, signal: AbortSignal): Promise<void>;
}

export function createExtender(configuration: ExtenderConfiguration, log: Logger): Extender {
  const {
    urlPrefix,
    filterVerb,
    prioritizeVerb,
    preemptVerb,
    bindVerb,
    weight = 1,
    nodeCacheCapable,
    managedResources = [],
    ignorable,
  } = configuration;
  const post = poster(configuration);
  const managed = new Set(managedResources.map(({ name }) => name));
  const nodesOf = (nodes: readonly NodeInfo[]): Record<string, unknown> =>
    nodeCacheCapable
      ? { NodeNames: nodes.map(({ name }) => name) }
      : { Nodes: { apiVersion: 'v1', kind: 'NodeList', metadata: {}, items: nodes.map(({ node }) => node) } };
  /** One that may be ignored changes nothing when it does not answer. */
  const unlessIgnored = <T>(work: Promise<T>, otherwise: T): Promise<T> =>
    ignorable
      ? work.catch((error: unknown) => {
          log.warn('a scheduler extender was skipped', { extender: urlPrefix, error: errorMessage(error) });
          return otherwise;
        })
      : work;

  return {
    url: urlPrefix,
    isInterested: ({ pod }) => managed.size === 0 || asksFor(pod, managed),
    filter: (pod, nodes, rejections, signal) => {
      if (!filterVerb) return Promise.resolve(nodes);
      return unlessIgnored(
        post(filterVerb, { Pod: pod, ...nodesOf(nodes) }, signal).then((answer) => filtered(answer, nodes, rejections)),
        nodes,
      );
    },
    prioritize: async (pod, nodes, points, signal) => {
      if (!prioritizeVerb) return;
      try {
        for (const each of listOf(await post(prioritizeVerb, { Pod: pod, ...nodesOf(nodes) }, signal))) {
          const host = String(field(each, 'Host'));
          points.set(host, (points.get(host) ?? 0) + Number(field(each, 'Score')) * weight * SCORE_SCALE);
        }
      } catch (error) {
        // Ranks are wishes: nobody waits for them (upstream).
        log.warn('a scheduler extender gave no scores', { extender: urlPrefix, error: errorMessage(error) });
      }
    },
    preempt: (pod, candidates, signal) => {
      if (!preemptVerb) return Promise.resolve(candidates);
      return unlessIgnored(
        post(preemptVerb, preemptionArgs(pod, candidates, nodeCacheCapable ?? false), signal).then((answer) => spared(answer, candidates)),
        candidates,
      );
    },
    ...(bindVerb
      ? {
          bind: async ({ metadata }, nodeName, signal) => {
            const body = { PodName: metadata.name, PodNamespace: metadata.namespace, PodUID: metadata.uid, Node: nodeName };
            const problem = field(await post(bindVerb, body, signal), 'Error');
            if (problem) throw new Error(String(problem));
          },
        }
      : {}),
  };
}

function asksFor({ spec }: Pod, managed: ReadonlySet<string>): boolean {
  return [...(spec!.initContainers ?? []), ...spec!.containers].some(({ resources }) =>
    [...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})].some((name) => managed.has(name)),
  );
}

function filtered(answer: unknown, nodes: readonly NodeInfo[], rejections: Map<string, Rejection>): readonly NodeInfo[] {
  const problem = field(answer, 'Error');
  if (problem) throw new Error(String(problem));
  const asked = new Set(nodes.map(({ name }) => name));
  const why = (key: string, code: Rejection['code']): void => {
    for (const [name, reason] of Object.entries((field(answer, key) ?? {}) as Record<string, string>))
      if (asked.has(name)) rejections.set(name, { code, reasons: [reason] });
  };
  why('FailedNodes', 'Unschedulable');
  why('FailedAndUnresolvableNodes', 'UnschedulableAndUnresolvable');
  const names = field(answer, 'NodeNames') as string[] | null | undefined;
  const list = field(answer, 'Nodes') as { items?: Node[] } | null | undefined;
  const left = new Set(names ?? (list?.items ?? []).map(({ metadata }) => metadata.name!));
  return nodes.filter(({ name }) => left.has(name));
}

function preemptionArgs(pod: Pod, candidates: readonly PreemptionPlan[], byName: boolean): Record<string, unknown> {
  const entries = candidates.map(({ node, victims, violations }) => [
    node.name,
    { Pods: victims.map(({ pod: victim }) => (byName ? { UID: victim.metadata.uid } : victim)), NumPDBViolations: violations },
  ]);
  return { Pod: pod, [byName ? 'NodeNameToMetaVictims' : 'NodeNameToVictims']: Object.fromEntries(entries) as unknown };
}

/** Answers name victims by uid only. */
function spared(answer: unknown, candidates: readonly PreemptionPlan[]): readonly PreemptionPlan[] {
  const byNode = (field(answer, 'NodeNameToMetaVictims') ?? {}) as Record<string, unknown>;
  return candidates.flatMap((candidate) => {
    const victims = byNode[candidate.node.name];
    if (victims === undefined) return [];
    const uids = new Set(listOf(field(victims, 'Pods')).map((each) => field(each, 'UID')));
    return [
      {
        node: candidate.node,
        victims: [...candidate.node.pods.values()].filter(({ pod }) => uids.has(pod.metadata.uid)),
        violations: Number(field(victims, 'NumPDBViolations') ?? 0),
      },
    ];
  });
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function field(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined;
  return Object.entries(object).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}

type Post = (verb: string, body: unknown, signal: AbortSignal) => Promise<unknown>;

function poster({ urlPrefix, enableHTTPS, tlsConfig, httpTimeout }: ExtenderConfiguration): Post {
  const base = new URL(urlPrefix.endsWith('/') ? urlPrefix : `${urlPrefix}/`);
  const isTls = enableHTTPS || base.protocol === 'https:';
  const request = isTls ? tlsRequest : plainRequest;
  const options = { ...(isTls && tlsConfig ? tlsOptions(tlsConfig) : {}), ...(isTls ? { protocol: 'https:' } : {}) };
  const timeoutMs = (httpTimeout ? durationMs(httpTimeout) : 0) || DEFAULT_TIMEOUT_MS;
  return async (verb, body, signal) => {
    const text = JSON.stringify(body);
    const url = new URL(verb, base);
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const answer = await new Promise<string>((resolve, reject) => {
      const call = request(url, { method: 'POST', headers, signal: within, ...options }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve(Buffer.concat(parts).toString());
          else reject(new Error(`failed ${verb} with extender at URL ${url.href}, code ${response.statusCode}`));
        });
      });
      call.on('error', reject);
      call.end(text);
    });
    return JSON.parse(answer) as unknown;
  };
}

function tlsOptions({
  insecure,
  serverName,
  certFile,
  keyFile,
  caFile,
  certData,
  keyData,
  caData,
}: ExtenderTls): SecureContextOptions & { servername?: string; rejectUnauthorized?: boolean } {
  const read = (data: string | undefined, file: string | undefined): Buffer | undefined =>
    data ? Buffer.from(data, 'base64') : file ? readFileSync(file) : undefined;
  const [cert, key, ca] = [read(certData, certFile), read(keyData, keyFile), read(caData, caFile)];
  return {
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(ca ? { ca } : {}),
    ...(serverName ? { servername: serverName } : {}),
    ...(insecure ? { rejectUnauthorized: false } : {}),
  };
}
