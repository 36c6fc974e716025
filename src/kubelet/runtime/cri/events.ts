import { status, type ServiceError } from '@grpc/grpc-js';
import { backoffDelay } from '../../../lib/backoff.ts';
import type { Clock } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Connection } from './connection.ts';
import { CONTAINER_EVENTS, CRI } from './messages.ts';
import type { Decoded } from './wire.ts';

/**
 * Container events as pod UIDs. containerd hands each event to one subscriber only and loses one when a stream is cancelled,
 * so there must be a single consumer for the life of the process, and it must list again now and then all the same.
 * Ends at once where the runtime has no events (containerd 1.6); a broken stream is opened again, and then every pod is named, since
 * nobody knows what was missed.
 */
export async function* containerEvents(
  connection: Connection,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
): AsyncIterable<{ podUid: string }> {
  for (let failures = 0; ; failures++) {
    const stream = connection.serverStream(CONTAINER_EVENTS, {}, signal);
    // it may fail before the iteration below, which tells of it
    stream.on('error', () => undefined);
    try {
      if (failures > 0)
        for (const { metadata } of (await connection.call(CRI.listPodSandbox, {}, { signal })).items) yield { podUid: metadata?.uid ?? '' };
      for await (const event of stream as AsyncIterable<Decoded<typeof CONTAINER_EVENTS.response>>) {
        failures = 0;
        const podUid = event.podSandboxStatus?.metadata?.uid;
        if (podUid) yield { podUid };
      }
    } catch (error) {
      if (signal.aborted || (error as ServiceError).code === status.UNIMPLEMENTED) return;
      log.warn('container event stream ended', { error: errorMessage(error) });
    }
    await clock.sleep(backoffDelay(failures, { baseMs: 50, maxMs: 2000 }), signal);
  }
}
