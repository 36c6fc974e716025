import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { Kind } from './kinds.ts';
import { useLive } from './use-live.ts';
import { ObjectTable } from './object-table.tsx';
import type { Route } from './route.ts';
import { Empty, Failure, Loading } from './states.tsx';

export function ListPage({ kind, here }: { kind: Kind; here: Route }) {
  const namespace = kind.type.namespaced ? here.namespace : '';
  const { items, ready, error } = useLive(kind.type, namespace ? { namespace } : {});
  const [filter, setFilter] = useState('');
  const shown = useMemo(() => items.filter(matcher(filter)), [items, filter]);
  useEffect(() => void (document.title = `${kind.title} · Rockpool`), [kind]);
  const where = namespace ? ` in ${namespace}` : '';
  return (
    <div class="list-page">
      <div class="page-head">
        <h1>{kind.title}</h1>
        {ready && <span class="count">{filter ? `${shown.length} of ${items.length}` : items.length}</span>}
        <FilterField value={filter} onInput={setFilter} />
      </div>
      {!ready && error && <Failure error={error} what={`${kind.title}${where}`} />}
      {!ready && !error && <Loading />}
      {ready && shown.length === 0 && (
        <Empty title={filter ? 'Nothing matches' : `No ${kind.title}${where}`}>
          {filter ? 'Try another word, or a label such as app=web.' : 'What is made in the cluster shows here at once.'}
        </Empty>
      )}
      {ready && shown.length > 0 && <ObjectTable kind={kind} items={shown} caption={kind.title} namespace={here.namespace} fill />}
    </div>
  );
}

/** `/` leads here from anywhere on the page. */
function FilterField({ value, onInput }: { value: string; onInput: (value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== '/' || (event.target as HTMLElement).closest('input, textarea, select, dialog')) return;
      event.preventDefault();
      field.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <input
      ref={field}
      type="search"
      class="filter"
      aria-label="Filter by name or label"
      placeholder="Filter by name or label ( / )"
      value={value}
      onInput={(event) => onInput(event.currentTarget.value)}
    />
  );
}

/** Every word must be in the name, or be one of the labels (`app=web`), or in an event's text. */
function matcher(filter: string): (object: ObjectWithMeta) => boolean {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return (object) => words.every((word) => textOf(object).includes(word));
}

function textOf(object: ObjectWithMeta): string {
  const { name, labels = {} } = object.metadata;
  const { reason = '', message = '' } = object.kind === 'Event' ? (object as { reason?: string; message?: string }) : {};
  return `${name} ${Object.entries(labels)
    .map((pair) => pair.join('='))
    .join(' ')} ${reason} ${message}`.toLowerCase();
}
