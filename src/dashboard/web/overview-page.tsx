import { useEffect } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import { EVENTS } from '../../client/resources.ts';
import { EventList } from './events-tab.tsx';
import { type Kind, kindOf } from './kinds.ts';
import { useLive } from './use-live.ts';
import { type Route, href } from './route.ts';
import { Failure } from './states.tsx';
import { type Tone, toneOf } from './tone.ts';

const SHOWN = ['nodes', 'deployments', 'statefulsets', 'daemonsets', 'pods', 'jobs', 'services', 'ingresses'];
const LATEST = 30;

/** How the cluster, or a namespace of it, is doing. */
export function OverviewPage({ here }: { here: Route }) {
  const { namespace } = here;
  const events = useLive(EVENTS, namespace ? { namespace } : {});
  useEffect(() => void (document.title = 'Overview · Rockpool'), []);
  return (
    <div class="overview">
      <div class="page-head">
        <h1>{namespace || 'Your cluster'}</h1>
      </div>
      <ul class="cards">
        {SHOWN.map((resource) => (
          <KindCard key={resource} kind={kindOf(resource)!} namespace={namespace} />
        ))}
      </ul>
      <section class="card">
        <h2>What happened last</h2>
        {!events.ready && events.error && <Failure error={events.error} what="events" />}
        {events.ready && events.items.length === 0 && <p class="none">Nothing in the last hour.</p>}
        <EventList events={events.items} namespace={namespace} about limit={LATEST} />
      </section>
    </div>
  );
}

function KindCard({ kind, namespace }: { kind: Kind; namespace: string }) {
  const within = kind.type.namespaced && namespace ? { namespace } : {};
  const { items, ready, error } = useLive(kind.type, within);
  const tones = ready ? countTones(kind, items) : undefined;
  return (
    <li>
      <a href={href({ page: 'list', kind: kind.type.resource, namespace })}>
        <h2>{kind.title}</h2>
        <p class="number">{ready ? items.length : '…'}</p>
        <p class="hint">
          {!ready && (error ? 'Not for you to see' : 'Loading')}
          {tones && <Tally tones={tones} />}
        </p>
      </a>
    </li>
  );
}

const WORDS: Readonly<Record<Tone, string>> = { bad: 'failing', busy: 'not ready yet', good: 'healthy', idle: 'done or idle' };

function Tally({ tones }: { tones: ReadonlyMap<Tone, number> }) {
  const shown = (['bad', 'busy', 'good', 'idle'] as const).filter((tone) => tones.has(tone));
  return (
    <>
      {shown.map((tone) => (
        <span key={tone} class={`tally ${tone}`}>
          {tones.get(tone)} {WORDS[tone]}
        </span>
      ))}
    </>
  );
}

/** By the kind's Status column, else by its Ready column; kinds with neither are not judged. */
function countTones({ printer, type }: Kind, items: readonly ObjectWithMeta[]): Map<Tone, number> | undefined {
  const names = printer.columns.map(({ name }) => name);
  const desired = names.indexOf('Desired');
  const ready = names.indexOf('Ready');
  const status = names.indexOf('Status');
  if (status < 0 && ready < 0) return undefined;
  const counts = new Map<Tone, number>();
  for (const object of items) {
    const cells = printer.cells(object, 0);
    const text = status >= 0 ? cells[status] : type.kind === 'DaemonSet' ? `${cells[ready]}/${cells[desired]}` : cells[ready];
    const tone = toneOf(String(text));
    counts.set(tone, (counts.get(tone) ?? 0) + 1);
  }
  return counts;
}
