import type { ComponentChildren } from 'preact';
import type { ObjectWithMeta } from '../../api/meta.ts';
import { since } from '../../api/table/duration.ts';
import type { Condition, Event, Pod, PodSpec } from '../../api/types.gen.ts';
import { PODS } from '../../client/resources.ts';
import { Badge } from './badge.tsx';
import { ConfigValues, SecretValues } from './config-values.tsx';
import { Containers } from './containers.tsx';
import { type Kind, kindNamed, kindOf } from './kinds.ts';
import { useLive } from './use-live.ts';
import { useNow } from './now.ts';
import { AboutLink, ObjectTable } from './object-table.tsx';
import { podsOf } from './pods-of.ts';
import { href } from './route.ts';
import { IngressRules, ServicePorts } from './traffic.tsx';

export interface SummaryProps {
  kind: Kind;
  object: ObjectWithMeta;
  /** The namespace that is chosen, for links. */
  namespace: string;
}

export function SummaryTab(props: SummaryProps) {
  const { kind, object } = props;
  return (
    <div class="summary">
      <Facts {...props} />
      <Particular {...props} />
      {kind.hasPods && <PodList {...props} />}
      <Conditions object={object} />
    </div>
  );
}

function Particular({ kind: { type }, object }: SummaryProps): ComponentChildren {
  if (type.kind === 'Pod') return <Containers spec={(object as Pod).spec} status={(object as Pod).status} />;
  if (type.kind === 'ConfigMap') return <ConfigValues object={object} />;
  if (type.kind === 'Secret') return <SecretValues object={object} />;
  if (type.kind === 'Service') return <ServicePorts service={object} />;
  if (type.kind === 'Ingress') return <IngressRules ingress={object} />;
  if (type.kind === 'Event') return <p class="message">{(object as Event).message}</p>;
  const template = (object as { spec?: { template?: { spec?: PodSpec } } }).spec?.template?.spec;
  return template && <Containers spec={template} />;
}

function Facts({ kind, object, namespace }: SummaryProps) {
  const now = useNow();
  const { metadata } = object;
  const cells = kind.printer.cells(object, now);
  const facts = kind.printer.columns.flatMap(({ name }, index) =>
    name === 'Name' || name === 'Age' || !kind.columns.includes(name) ? [] : [{ name, text: String(cells[index] ?? '') }],
  );
  return (
    <section class="card">
      <dl class="facts">
        {facts.map(({ name, text }) => (
          <Fact key={name} name={name}>
            {name === 'Object' ? (
              <AboutLink event={object as Event} text={text} namespace={namespace} />
            ) : name === 'Node' ? (
              <NodeLink name={text} namespace={namespace} />
            ) : text === '<none>' ? (
              '–'
            ) : (
              text
            )}
          </Fact>
        ))}
        <Fact name="Age">
          <time dateTime={metadata.creationTimestamp} title={metadata.creationTimestamp}>
            {since(metadata.creationTimestamp, now)}
          </time>
        </Fact>
        <Owners object={object} namespace={namespace} />
      </dl>
      <Chips title="Labels" pairs={metadata.labels} />
      <Chips title="Annotations" pairs={visible(metadata.annotations)} />
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function NodeLink({ name, namespace }: { name: string; namespace: string }) {
  return name === '<none>' ? <>–</> : <a href={href({ page: 'object', kind: 'nodes', in: '', name, tab: 'summary', namespace })}>{name}</a>;
}

function Owners({ object: { metadata }, namespace }: { object: ObjectWithMeta; namespace: string }) {
  const owners = metadata.ownerReferences ?? [];
  if (owners.length === 0) return null;
  return (
    <Fact name="Controlled by">
      {owners.map(({ kind, name, uid }) => {
        const known = kindNamed(kind);
        const text = `${kind} ${name}`;
        const within = known?.type.namespaced ? (metadata.namespace ?? '') : '';
        return known ? (
          <a key={uid} href={href({ page: 'object', kind: known.type.resource, in: within, name, tab: 'summary', namespace })}>
            {text}
          </a>
        ) : (
          <span key={uid}>{text}</span>
        );
      })}
    </Fact>
  );
}

/** kubectl's copy of the whole manifest is what the YAML tab shows better. */
function visible(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key !== 'kubectl.kubernetes.io/last-applied-configuration'));
}

function Chips({ title, pairs = {} }: { title: string; pairs?: Readonly<Record<string, string>> }) {
  const entries = Object.entries(pairs);
  if (entries.length === 0) return null;
  return (
    <div class="chips">
      <h2>{title}</h2>
      <ul>
        {entries.map(([key, value]) => (
          <li key={key} title={`${key}=${value}`}>
            <span>{key}</span> {value}
          </li>
        ))}
      </ul>
    </div>
  );
}

function PodList({ kind, object, namespace }: SummaryProps) {
  const query = podsOf(kind, object);
  const { items, ready, error } = useLive(PODS, query);
  if (!query) return null;
  return (
    <section class="card">
      <h2>Pods</h2>
      {items.length > 0 && (
        <ObjectTable kind={kindOf('pods')!} items={items} caption="Its pods" namespace={object.metadata.namespace ?? namespace} />
      )}
      {ready && items.length === 0 && <p class="none">None at the moment.</p>}
      {!ready && error && <p class="none">{error.message}</p>}
    </section>
  );
}

function Conditions({ object }: { object: ObjectWithMeta }) {
  const now = useNow();
  const conditions = (object as { status?: { conditions?: Condition[] } }).status?.conditions ?? [];
  if (conditions.length === 0) return null;
  return (
    <section class="card">
      <h2>Conditions</h2>
      <ul class="conditions">
        {conditions.map(({ type, status, reason, message, lastTransitionTime }) => (
          <li key={type}>
            <Badge text={type} tone={status === 'Unknown' ? 'busy' : isWell(type, status) ? 'good' : 'bad'} />
            <span>
              <strong>{status === 'True' ? 'Yes' : status === 'False' ? 'No' : 'Unknown'}</strong>
              {reason && ` · ${reason}`}
              {message && <span class="hint"> {message}</span>}
            </span>
            {lastTransitionTime && <span class="hint">{since(lastTransitionTime, now)}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Most conditions are good when they hold; those that name a trouble when they do not. */
function isWell(type: string, status: string): boolean {
  const trouble = /Pressure|Unavailable|Failed|Failure|DisruptionTarget|Suspended/.test(type);
  return trouble ? status === 'False' : status === 'True';
}
