import type { Pod, PodStatus } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { PODS } from '../../client/resources.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { RESIZE_IN_PROGRESS, RESIZE_PENDING } from './conditions.ts';
import type { Logger } from '../../lib/log.ts';

export interface StatusWriter {
  /** Sends the status unless it was sent already. Returns at once; of several the last one wins. */
  set(pod: Pod, status: PodStatus): void;
  /** What the API shows now: when somebody else changed what is ours (a node that was thought dead), it is to be written again, and true returned. */
  observed(pod: Pod): boolean;
  /** Resolves when the last status of the pod is with the API server, or the pod is gone there. */
  flushed(podUid: string): Promise<void>;
  forget(podUid: string): void;
}

interface Entry {
  wanted?: { pod: Pod; status: PodStatus; text: string };
  sentText: string;
  /** What the API server has of us. */
  sent: PodStatus;
  sending?: Promise<void>;
  gone: boolean;
  /** Of the pod, when we wrote last. */
  revision: bigint;
}

export interface StatusWriterOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}

/** Writes pod statuses by patch, one at a time for each pod, and only when something changed. */
export function createStatusWriter(options: StatusWriterOptions): StatusWriter {
  return new Writer(options);
}

const RETRY = { baseMs: 100, maxMs: 10_000 };

class Writer implements StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  set(pod: Pod, status: PodStatus): void {
    const uid = pod.metadata.uid!;
    const entry = this.#entries.get(uid) ?? { sentText: '', sent: pod.status ?? {}, gone: false, revision: 0n };
    this.#entries.set(uid, entry);
    entry.wanted = { pod, status, text: JSON.stringify(status) };
    if (entry.sending || entry.gone || this.#options.signal.aborted || entry.wanted.text === entry.sentText) return;
    entry.sending = this.#drain(entry);
  }

  observed({ metadata, status }: Pod): boolean {
    const entry = this.#entries.get(metadata.uid!);
    if (!entry || entry.sending || entry.sentText === '') return false;
    // what was on its way to us when we wrote is older than what we wrote
    if (BigInt(metadata.resourceVersion ?? 0) < entry.revision) return false;
    if (readiness(status) === readiness(entry.sent)) return false;
    entry.sentText = '';
    entry.sent = status ?? {};
    return true;
  }

  async flushed(podUid: string): Promise<void> {
    await this.#entries.get(podUid)?.sending;
  }

  forget(podUid: string): void {
    this.#entries.delete(podUid);
  }

  /** Sends until nothing is wanted any more. The last look and the end of `sending` are one step, so that no wish falls between. */
  async #drain(entry: Entry): Promise<void> {
    const { clock, log, signal } = this.#options;
    for (let failures = 0; ;) {
      const { wanted } = entry;
      if (!wanted || wanted.text === entry.sentText || entry.gone || signal.aborted) {
        entry.wanted = undefined;
        entry.sending = undefined;
        return;
      }
      try {
        await this.#send(entry, wanted);
        failures = 0;
      } catch (error) {
        if (isGone(error)) entry.gone = true;
        else {
          const { namespace, name } = wanted.pod.metadata;
          log.warn('pod status could not be written', { pod: `${namespace}/${name}`, error: errorMessage(error) });
          await settled(clock.sleep(backoffDelay(failures++, RETRY), signal));
        }
      }
    }
  }

  async #send(entry: Entry, { pod, status, text }: NonNullable<Entry['wanted']>): Promise<void> {
    const pods = this.#options.client.resource(PODS, pod.metadata.namespace);
    const answer = await pods.patch(pod.metadata.name!, 'strategic', statusPatch(pod, status, entry.sent), 'status');
    entry.revision = BigInt(answer.metadata.resourceVersion ?? 0);
    entry.sentText = text;
    entry.sent = status;
  }
}

/** For a sleep that may be cut short: the loop asks the signal itself. */
async function settled(sleep: Promise<void>): Promise<void> {
  await Promise.allSettled([sleep]);
}

const readiness = (status: PodStatus | undefined): string =>
  `${status?.phase} ${status?.conditions?.find(({ type }) => type === 'Ready')?.status}`;

/** In a strategic patch lists of conditions and addresses merge by their key: what is no longer there must be named to go. */
function statusPatch(pod: Pod, status: PodStatus, sent: PodStatus): object {
  const ips = new Set((status.podIPs ?? []).map(({ ip }) => ip));
  const stale = (sent.podIPs ?? []).filter(({ ip }) => !ips.has(ip)).map(({ ip }) => ({ $patch: 'delete', ip }));
  const conditions = status.conditions?.map((condition) => {
    const before = sent.conditions?.find((other) => other.type === condition.type);
    return { ...without(before, condition, ['reason', 'message']), ...condition };
  });
  const over = [RESIZE_PENDING, RESIZE_IN_PROGRESS].filter(
    (type) => sent.conditions?.some((before) => before.type === type) && !status.conditions?.some((now) => now.type === type),
  );
  const podIPs = stale.length > 0 ? { podIPs: [...(status.podIPs ?? []), ...stale] } : {};
  return {
    metadata: { uid: pod.metadata.uid },
    status: {
      ...without(sent, status, ['reason', 'message', 'podIP']),
      ...status,
      conditions: conditions && [...conditions, ...over.map((type) => ({ $patch: 'delete', type }))],
      ...podIPs,
    },
  };
}

/** null for each of the fields that was there and is not any more. */
function without<T extends object>(before: T | undefined, now: T, fields: readonly (keyof T)[]): Partial<Record<keyof T, null>> {
  const result: Partial<Record<keyof T, null>> = {};
  for (const field of fields) if (before?.[field] !== undefined && now[field] === undefined) result[field] = null;
  return result;
}

/** Not there, or another pod of the same name by now (the uid is a precondition). */
function isGone(error: unknown): boolean {
  if (StatusError.is(error, 'NotFound')) return true;
  return (StatusError.is(error, 'Conflict') || StatusError.is(error, 'Invalid')) && /\buid\b/i.test(error.message);
}
