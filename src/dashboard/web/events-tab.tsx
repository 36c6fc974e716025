import type { ObjectWithMeta } from '../../api/meta.ts';
import { since } from '../../api/table/duration.ts';
import type { Event } from '../../api/types.gen.ts';
import { EVENTS } from '../../client/resources.ts';
import { Badge } from './badge.tsx';
import type { Kind } from './kinds.ts';
import { useLive } from './use-live.ts';
import { useNow } from './now.ts';
import { AboutLink, lastSeen } from './object-table.tsx';
import { Empty, Failure, Loading } from './states.tsx';

/** What happened to one object, the latest first. */
export function EventsTab({ kind, object, namespace }: { kind: Kind; object: ObjectWithMeta; namespace: string }) {
  const { name, namespace: within } = object.metadata;
  // By name and not by uid: kubelets give their node's name for its uid.
  const fieldSelector = `involvedObject.kind=${kind.type.kind},involvedObject.name=${name}`;
  const { items, ready, error } = useLive(EVENTS, { ...(within ? { namespace: within } : {}), fieldSelector });
  if (!ready) return error ? <Failure error={error} what="events" /> : <Loading />;
  if (items.length === 0) return <Empty title="Nothing happened lately">The cluster keeps events for an hour.</Empty>;
  return <EventList events={items} namespace={namespace} />;
}

/** With `about`, each says which object it is about. */
export function EventList({
  events,
  namespace,
  about = false,
  limit = 500,
}: {
  events: readonly Event[];
  namespace: string;
  about?: boolean;
  limit?: number;
}) {
  const now = useNow();
  const latest = events.toSorted(byTime).slice(0, limit);
  return (
    <ol class="events">
      {latest.map((event) => (
        <li key={event.metadata.uid}>
          <Badge text={event.type ?? ''} tone={event.type === 'Warning' ? 'bad' : 'idle'} />
          <div>
            <strong>{event.reason}</strong>
            {about && (
              <span class="hint">
                {' '}
                <AboutLink event={event} text={`${event.involvedObject.kind} ${event.involvedObject.name}`} namespace={namespace} />
              </span>
            )}
            <p>{event.message}</p>
          </div>
          <span class="hint">
            {since(new Date(lastSeen(event)).toISOString(), now)}
            {(event.series?.count ?? event.count ?? 1) > 1 && ` ×${event.series?.count ?? event.count}`}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** The latest first. Events carry seconds; within one, revisions tell what came after what (KEP-5504: they can be compared). */
function byTime(a: Event, b: Event): number {
  return lastSeen(b) - lastSeen(a) || Number(b.metadata.resourceVersion) - Number(a.metadata.resourceVersion);
}
