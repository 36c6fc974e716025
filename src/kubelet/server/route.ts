/** What a route of the kubelet's server gets. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import type { PodManager } from '../pods/manager.ts';
import type { RuntimeCache } from '../pods/runtime-cache.ts';
import type { ContainerRuntime } from '../runtime/runtime.ts';

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

export function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
