import type { Pod, PodStatus } from '../../api/types.gen.ts';
import { StatusError } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { PODS } from '../../client/resources.ts';
import { backoffDelay } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
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

/** Writes pod statuses by patch, one at a time for each pod, and only when something changed. */
export function createStatusWriter({
  client,
  clock,
  log,
  signal,
}: {
  client: Client;
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
}): StatusWriter {
  const entries = new Map<string, Entry>();

  async function send(entry: Entry): Promise<void> {
    for (let failures = 0; entry.wanted && !entry.gone && !signal.aborted;) {
      const { pod, status, text } = entry.wanted;
      if (text === entry.sentText) {
        entry.wanted = undefined;
        return;
      }
      try {
        const answer = await client
          .resource(PODS, pod.metadata.namespace)
          .patch(pod.metadata.name!, 'strategic', statusPatch(pod, status, entry.sent), 'status');
        entry.revision = BigInt(answer.metadata.resourceVersion ?? 0);
        entry.sentText = text;
        entry.sent = status;
        failures = 0;
      } catch (error) {
        if (isGone(error)) {
          entry.gone = true;
          return;
        }
        log.warn('pod status could not be written', { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, error: errorMessage(error) });
        await clock.sleep(backoffDelay(failures++, { baseMs: 100, maxMs: 10_000 }), signal);
      }
    }
  }

  return {
    set(pod, status) {
      const uid = pod.metadata.uid!;
      const entry = entries.get(uid) ?? { sentText: '', sent: pod.status ?? {}, gone: false, revision: 0n };
      entries.set(uid, entry);
      entry.wanted = { pod, status, text: JSON.stringify(status) };
      if (entry.sending || entry.wanted.text === entry.sentText) return;
      entry.sending = send(entry)
        .catch((error: unknown) => {
          if (!signal.aborted) throw error;
        })
        .finally(() => {
          entry.sending = undefined;
        });
    },
    observed({ metadata, status }) {
      const entry = entries.get(metadata.uid!);
      if (!entry || entry.sending || entry.sentText === '') return false;
      // what was on its way to us when we wrote is older than what we wrote
      if (BigInt(metadata.resourceVersion ?? 0) < entry.revision) return false;
      const readyOf = (one: PodStatus | undefined): string =>
        `${one?.phase} ${one?.conditions?.find(({ type }) => type === 'Ready')?.status}`;
      if (readyOf(status) === readyOf(entry.sent)) return false;
      entry.sentText = '';
      entry.sent = status ?? {};
      return true;
    },
    async flushed(podUid) {
      await entries.get(podUid)?.sending;
    },
    forget: (podUid) => void entries.delete(podUid),
  };
}

/** In a strategic patch lists of conditions and addresses merge by their key: what is no longer there must be named to go. */
function statusPatch(pod: Pod, status: PodStatus, sent: PodStatus): object {
  const ips = new Set((status.podIPs ?? []).map(({ ip }) => ip));
  const stale = (sent.podIPs ?? []).filter(({ ip }) => !ips.has(ip)).map(({ ip }) => ({ $patch: 'delete', ip }));
  const conditions = status.conditions?.map((condition) => {
    const before = sent.conditions?.find((other) => other.type === condition.type);
    return { ...without(before, condition, ['reason', 'message']), ...condition };
  });
  const podIPs = stale.length > 0 ? { podIPs: [...(status.podIPs ?? []), ...stale] } : {};
  return {
    metadata: { uid: pod.metadata.uid },
    status: { ...without(sent, status, ['reason', 'message', 'podIP']), ...status, conditions, ...podIPs },
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
  return (
    StatusError.is(error, 'NotFound') ||
    StatusError.is(error, 'Conflict') ||
    (StatusError.is(error, 'Invalid') && error.message.includes('uid'))
  );
}
