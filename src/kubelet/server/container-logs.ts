import type { Pod } from '../../api/types.gen.ts';
import { errorCode } from '../../lib/errors.ts';
import { readLog } from '../logs/read.ts';
import { findContainer } from '../pods/containers-of.ts';
import type { ContainerStatus } from '../runtime/runtime.ts';
import { containerName, requirePod } from './find-container.ts';
import { HttpError } from './http-error.ts';
import type { Route, RouteContext } from './route.ts';

/** `/containerLogs/{namespace}/{pod}/{container}` with the options of v1.PodLogOptions. */
export const containerLogs: Route = async ({ request, response, parts, query }, context) => {
  const pod = requirePod(parts, context);
  const name = containerName(parts);
  if (!findContainer(pod, name)) throw new HttpError(404, `container ${name} is not valid for pod ${pod.metadata.name}`);
  const status = await loggedContainer(pod, name, flag(query, 'previous'), context);
  const gone = new AbortController();
  request.once('close', () => gone.abort());
  response.once('close', () => gone.abort());
  const follow = flag(query, 'follow') ? followUntilEnd(pod.metadata.uid!, status, context) : undefined;
  try {
    response.setHeader('content-type', 'text/plain; charset=utf-8');
    const lines = readLog(status.logPath, { ...logOptions(query, context.clock.now()), followUntil: follow?.signal, signal: gone.signal });
    for await (const chunk of lines) if (!response.write(chunk)) await drained(response, gone.signal);
    response.end();
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new HttpError(404, `unable to retrieve container logs for ${status.id}`);
  } finally {
    follow?.stop();
  }
};

async function loggedContainer(
  { metadata, status }: Pod,
  name: string,
  previous: boolean,
  { cache }: RouteContext,
): Promise<ContainerStatus> {
  const containers = (await cache.pod(metadata.uid!)).containers.filter((container) => container.name === name);
  const [current, ...older] = containers;
  if (previous) {
    const before = older.find((container) => container.state === 'EXITED') ?? (current?.state === 'EXITED' ? current : undefined);
    if (!before) throw new HttpError(400, `previous terminated container "${name}" in pod "${metadata.name}" not found`);
    return before;
  }
  if (current && current.state !== 'CREATED') return current;
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const reason = statuses.find((one) => one.name === name)?.state?.waiting?.reason ?? 'ContainerCreating';
  const why = /ImagePull/.test(reason) ? 'trying and failing to pull image' : reason;
  throw new HttpError(400, `container "${name}" in pod "${metadata.name}" is waiting to start: ${why}`);
}

function logOptions(
  query: URLSearchParams,
  now: number,
): Pick<Parameters<typeof readLog>[1], 'tailLines' | 'sinceMs' | 'timestamps' | 'limitBytes' | 'stream'> {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0)
      throw new HttpError(422, `${name}: Invalid value: "${text}": must be greater than or equal to 0`);
    return value;
  };
  const seconds = number('sinceSeconds');
  const time = query.get('sinceTime');
  const stream = query.get('stream');
  return {
    tailLines: number('tailLines'),
    sinceMs: time ? Date.parse(time) : seconds === undefined ? undefined : now - seconds * 1000,
    timestamps: flag(query, 'timestamps'),
    limitBytes: number('limitBytes'),
    stream: stream === 'Stdout' ? 'stdout' : stream === 'Stderr' ? 'stderr' : undefined,
  };
}

const flag = (query: URLSearchParams, name: string): boolean => ['true', '1'].includes(query.get(name) ?? '');

/** Aborts once the container has ended; looked at whenever the runtime reports something of the pod. */
function followUntilEnd(podUid: string, status: ContainerStatus, { pods, runtime }: RouteContext): { signal: AbortSignal; stop(): void } {
  const end = new AbortController();
  const look = async (): Promise<void> => {
    const now = await runtime.containerStatus(status.id);
    if (now?.state !== 'RUNNING' && now?.state !== 'CREATED') end.abort();
  };
  const check = (): void => void look().catch((error: unknown) => end.abort(error));
  const stop = pods.onActivity(podUid, check);
  check();
  return { signal: end.signal, stop };
}

function drained(response: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}
