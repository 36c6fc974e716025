/** Every path of the kubelet's server. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Pod } from '../../api/types.gen.ts';
import type { Clock } from '../../lib/clock.ts';
import type { PodManager } from '../pods/manager.ts';
import type { RuntimeCache } from '../pods/runtime-cache.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';
import { containerLogs } from './container-logs.ts';
import { resourceMetrics, summary } from './stats.ts';
import { attach, exec, portForward } from './streams.ts';
import { HttpError } from './http-error.ts';

export interface RouteContext {
  pods: PodManager;
  cache: RuntimeCache;
  runtime: ContainerRuntime;
  clock: Clock;
  nodeName: string;
  memoryBytes: number;
}

export interface RouteRequest {
  request: IncomingMessage;
  response: ServerResponse;
  /** What follows the route's path: namespace, pod, container … */
  parts: readonly string[];
  query: URLSearchParams;
}

export interface UpgradeRequest extends Omit<RouteRequest, 'response'> {
  socket: Duplex;
  head: Buffer;
}

export type Route = (request: RouteRequest, context: RouteContext) => Promise<void> | void;
export type UpgradeRoute = (request: UpgradeRequest, context: RouteContext) => Promise<void>;

const upgradeOnly: Route = () => {
  throw new HttpError(400, 'Upgrade request required');
};

export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/healthz', ({ response }) => void response.end('ok')],
  ['/pods', ({ response }, { pods }) => sendJson(response, podList(pods.pods()))],
  ['/runningpods', ({ response }, { pods }) => sendJson(response, podList(pods.pods().filter((pod) => pod.status?.phase === 'Running')))],
  ['/containerLogs', containerLogs],
  ['/stats/summary', summary],
  ['/metrics/resource', resourceMetrics],
  ['/configz', ({ response }, context) => sendJson(response, { kubeletconfig: { kind: 'KubeletConfiguration', apiVersion: 'kubelet.config.k8s.io/v1beta1', nodeName: context.nodeName } })],
  ['/exec', upgradeOnly],
  ['/attach', upgradeOnly],
  ['/portForward', upgradeOnly],
]);

export const UPGRADES: ReadonlyMap<string, UpgradeRoute> = new Map<string, UpgradeRoute>([
  ['/exec', exec],
  ['/attach', attach],
  ['/portForward', portForward],
]);

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function podList(items: readonly Pod[]): object {
  return { kind: 'PodList', apiVersion: 'v1', metadata: {}, items };
}
