import type { ObjectWithMeta } from '../api/meta.ts';
import { StatusError } from '../api/status.ts';
import { timestamp } from '../api/time.ts';
import type { Event, ObjectReference } from '../api/types.gen.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Client } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';
import type { EventRecorder } from './events.ts';
import { isNamespaceTerminating } from './namespace-terminating.ts';
import { EVENTS } from './resources.ts';

export interface RecorderOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  /** The source in the event: `kubelet`, `default-scheduler`, `deployment-controller`. */
  component: string;
  /** The node that a kubelet speaks for. */
  host?: string;
}

export interface FlushableRecorder extends EventRecorder {
  /** Resolves when all that was recorded until now is written or given up. */
  flush(): Promise<void>;
}

/** Events that wait for a slow server beyond this number are dropped: they inform, and must not fill the memory. */
const MAX_WAITING = 1000;

/** Writes core/v1 Events in the background, one at a time and in order. */
export function createRecorder({ client, clock, log, component, host }: RecorderOptions): FlushableRecorder {
  const correlator = new EventCorrelator(clock);
  let waiting = 0;
  let tail: Promise<void> = Promise.resolve();

  const write = async (event: Event): Promise<void> => {
    try {
      const correlated = correlator.correlate(event);
      if (correlated) correlator.written(correlated.key, await send(client, correlated));
    } catch (error) {
      // Objects outlive the events that their namespace accepts.
      if (isNamespaceTerminating(error) || StatusError.is(error, 'NotFound'))
        log.debug('event was refused', { reason: event.reason, error });
      else log.warn('event was not written', { reason: event.reason, about: event.involvedObject.name, error });
    } finally {
      waiting--;
    }
  };

  return {
    event(about, type, reason, message) {
      if (waiting >= MAX_WAITING) return;
      waiting++;
      const event = newEvent(referenceTo(about), { type, reason, message, component, host, now: clock.now() });
      tail = tail.then(() => write(event));
    },
    flush: () => tail,
  };
}

/** Who an event or a status speaks of: an object itself, or a reference (`fieldPath` names a container). */
export function referenceTo(about: ObjectWithMeta | ObjectReference): ObjectReference {
  if (!('metadata' in about)) return about;
  const { namespace, name, uid, resourceVersion } = about.metadata;
  const { kind, apiVersion } = about;
  return { kind, ...(namespace ? { namespace } : {}), name, uid, apiVersion, resourceVersion };
}

interface NewEvent {
  type: string;
  reason: string;
  message: string;
  component: string;
  host: string | undefined;
  now: number;
}

let sequence = 0;

function newEvent(about: ObjectReference, { type, reason, message, component, host, now }: NewEvent): Event {
  const time = timestamp(now);
  // client-go's form, name and time in hexadecimal nanoseconds; the sequence keeps two of one millisecond apart.
  const stamp = (BigInt(now) * 1_000_000n + BigInt(sequence++ % 1_000_000)).toString(16);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${about.name}.${stamp}`, namespace: about.namespace || 'default' },
    involvedObject: about,
    reason,
    message,
    source: { component, ...(host ? { host } : {}) },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    reportingComponent: component,
    reportingInstance: host ?? '',
  };
}

/** Writes a new event, or raises the count of the one before; that one may have expired, then it is written anew. */
async function send(client: Client, { event, update }: { event: Event; update: boolean }): Promise<Event> {
  const events = client.resource(EVENTS, event.metadata.namespace);
  if (update) {
    const { count, lastTimestamp, message } = event;
    try {
      return await events.patch(event.metadata.name!, 'strategic', { count, lastTimestamp, message });
    } catch (error) {
      if (!StatusError.is(error, 'NotFound')) throw error;
    }
  }
  return events.create(event);
}
