import type { Pod } from '../../api/types.gen.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { findContainer } from '../pods/containers-of.ts';
import type { ContainerRuntime, ContainerStatus } from '../runtime/runtime.ts';
import { containerEvent } from './events.ts';
import { runHook } from './hooks.ts';

export interface StopContext {
  runtime: ContainerRuntime;
  events: EventRecorder;
  clock: Clock;
}

export interface StopRequest {
  /** Said in the Killing event; `Stopping container web` unless given. */
  message?: string;
  graceSeconds: number;
  podIp: string;
  signal: AbortSignal;
}

/** What is left to a container after its preStop hook took all of the grace period (upstream's minimumGracePeriodInSeconds). */
const MINIMUM_GRACE_SECONDS = 2;

/** Stops a container: its preStop hook, then TERM, then KILL when the grace period is over. Resolves when it has ended. */
export async function stopContainer(pod: Pod, status: ContainerStatus, request: StopRequest, context: StopContext): Promise<void> {
  const { runtime, events, clock } = context;
  const { graceSeconds, signal, message = `Stopping container ${status.name}` } = request;
  containerEvent(events, pod, status.name, { type: 'Normal', reason: 'Killing', message });
  const began = clock.monotonic();
  const container = findContainer(pod, status.name);
  const preStop = container?.lifecycle?.preStop;
  if (container && preStop && graceSeconds > 0) {
    const target = { container, containerId: status.id, podIp: request.podIp };
    await withinGrace(runHook(preStop, target, { runtime, clock, signal }), { clock, graceSeconds, signal }).catch((error: unknown) => {
      containerEvent(events, pod, status.name, {
        type: 'Warning',
        reason: 'FailedPreStopHook',
        message: `PreStopHook failed: ${errorMessage(error)}`,
      });
    });
  }
  signal.throwIfAborted();
  const left = graceSeconds - Math.floor((clock.monotonic() - began) / 1000);
  await runtime.stopContainer(status.id, graceSeconds === 0 ? 0 : Math.max(left, MINIMUM_GRACE_SECONDS), signal);
}

/** The hook may go on in the container when the time is over; the container's end ends it. */
async function withinGrace(
  hook: Promise<void>,
  { clock, graceSeconds, signal }: { clock: Clock; graceSeconds: number; signal: AbortSignal },
): Promise<void> {
  const over = new AbortController();
  const limit = clock.sleep(graceSeconds * 1000, AbortSignal.any([signal, over.signal])).then(
    () => undefined,
    () => undefined,
  );
  try {
    await Promise.race([hook, limit]);
  } finally {
    over.abort();
  }
}
