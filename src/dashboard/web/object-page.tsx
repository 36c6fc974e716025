import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { Pod } from '../../api/types.gen.ts';
import { resourcePath } from '../../client/resource-path.ts';
import { PODS } from '../../client/resources.ts';
import { useAllowed } from './use-allowed.ts';
import { Actions } from './actions.tsx';
import { Badge } from './badge.tsx';
import { EventsTab } from './events-tab.tsx';
import type { Kind } from './kinds.ts';
import { useLive } from './use-live.ts';
import { LogsTab } from './logs-tab.tsx';
import { podsOf } from './pods-of.ts';
import { type Route, href } from './route.ts';
import { Empty, Failure, Loading } from './states.tsx';
import { SummaryTab } from './summary-tab.tsx';
import { toneOf } from './tone.ts';
import { YamlTab } from './yaml-tab.tsx';

type ObjectRoute = Route & { page: 'object' };

/** One object: what it is, what it logs, what happened to it, and its YAML. */
export function ObjectPage({ kind, here }: { kind: Kind; here: ObjectRoute }) {
  const { items, ready, error } = useLive(kind.type, {
    ...(here.in ? { namespace: here.in } : {}),
    fieldSelector: `metadata.name=${here.name}`,
  });
  const object = items[0];
  useEffect(() => void (document.title = `${here.name} · ${kind.type.kind} · Rockpool`), [kind, here.name]);
  if (!object) {
    if (ready) return <Gone kind={kind} here={here} />;
    return error ? <Failure error={error} what={`${kind.type.kind} ${here.name}`} /> : <Loading />;
  }
  return (
    <article class="object-page">
      <Head kind={kind} object={object} here={here} />
      <Tab kind={kind} object={object} here={here} />
    </article>
  );
}

function Gone({ kind, here }: { kind: Kind; here: ObjectRoute }) {
  return (
    <Empty title="It is not there (any more)">
      There is no {kind.type.kind} “{here.name}”{here.in && ` in ${here.in}`}.{' '}
      <a href={href({ page: 'list', kind: kind.type.resource, namespace: here.namespace })}>All {kind.title}</a>
    </Empty>
  );
}

function Head({ kind, object, here }: { kind: Kind; object: ObjectWithMeta; here: ObjectRoute }) {
  const list = href({ page: 'list', kind: kind.type.resource, namespace: here.namespace });
  return (
    <>
      <div class="page-head">
        <div>
          <p class="crumbs">
            <a href={list}>{kind.title}</a>
            {here.in && <span>{here.in}</span>}
          </p>
          <h1>
            {here.name} <Status kind={kind} object={object} />
          </h1>
        </div>
        <Actions kind={kind} object={object} list={list} />
      </div>
      <nav class="tabs" aria-label={`About ${here.name}`}>
        {tabsOf(kind).map(({ tab, title }) => (
          <a key={tab} href={href({ ...here, tab })} aria-current={tab === here.tab ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
    </>
  );
}

/** The list's own word for how it is. */
function Status({ kind: { printer, type }, object }: { kind: Kind; object: ObjectWithMeta }) {
  const names = printer.columns.map(({ name }) => name);
  const index = names.includes('Status') ? names.indexOf('Status') : names.indexOf('Ready');
  if (object.metadata.deletionTimestamp) return <Badge text="Terminating" />;
  if (index < 0 || type.kind === 'ReplicaSet' || type.kind === 'DaemonSet') return null;
  const text = String(printer.cells(object, 0)[index]);
  return <Badge text={names[index] === 'Ready' ? `${text} ready` : text} tone={toneOf(text)} />;
}

function tabsOf(kind: Kind): { tab: string; title: string }[] {
  const logs = kind.type.kind === 'Pod' || (kind.hasPods && kind.type.kind !== 'Service');
  return [
    { tab: 'summary', title: 'Summary' },
    ...(logs ? [{ tab: 'logs', title: 'Logs' }] : []),
    ...(kind.type.kind === 'Event' ? [] : [{ tab: 'events', title: 'Events' }]),
    { tab: 'yaml', title: 'YAML' },
  ];
}

function Tab({ kind, object, here }: { kind: Kind; object: ObjectWithMeta; here: ObjectRoute }): ComponentChildren {
  if (here.tab === 'events') return <EventsTab kind={kind} object={object} namespace={here.namespace} />;
  if (here.tab === 'logs') return kind.type.kind === 'Pod' ? <Logs pods={[object]} /> : <LogsOfPods kind={kind} object={object} />;
  if (here.tab === 'yaml') {
    const path = resourcePath(kind.type, { ...(here.in ? { namespace: here.in } : {}), name: here.name });
    return <YamlTab kind={kind} object={object} path={path} />;
  }
  return <SummaryTab kind={kind} object={object} namespace={here.namespace} />;
}

function LogsOfPods({ kind, object }: { kind: Kind; object: ObjectWithMeta }) {
  const { items, ready, error } = useLive(PODS, podsOf(kind, object));
  if (items.length > 0) return <Logs pods={items} />;
  if (error && !ready) return <Failure error={error} what="its pods" />;
  return ready ? <Empty title="It has no pods">Logs come from pods; there are none at the moment.</Empty> : <Loading />;
}

function Logs({ pods }: { pods: readonly Pod[] }) {
  const { namespace } = pods[0]!.metadata;
  const allowed = useAllowed({ verb: 'get', type: PODS, subresource: 'log', namespace });
  if (allowed === undefined) return <Loading />;
  if (!allowed) return <Empty title="You may not see logs">Your account’s roles do not let you get pods/log in {namespace}.</Empty>;
  return <LogsTab pods={pods} />;
}
