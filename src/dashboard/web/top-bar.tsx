import { NAMESPACES } from '../../client/resources.ts';
import { useLive } from './use-live.ts';
import { type Route, go } from './route.ts';
import { useSession } from './session.ts';
import { useStore } from './store.ts';
import { signOut } from './token.ts';

export function TopBar({ here }: { here: Route }) {
  const { api, user } = useSession();
  const connection = useStore(api.connection);
  return (
    <header class="top-bar">
      <NamespacePicker here={here} />
      <span class={`live ${connection}`} title={TITLES[connection]}>
        {WORDS[connection]}
      </span>
      <span class="user" title="Who you are signed in as">
        {user}
      </span>
      <button type="button" class="quiet" onClick={() => signOut()}>
        Sign out
      </button>
    </header>
  );
}

const WORDS = { connecting: 'Connecting', online: 'Live', offline: 'Disconnected' } as const;
const TITLES = {
  connecting: 'Connecting to the cluster',
  online: 'Changes in the cluster show here as they happen',
  offline: 'No connection to the cluster',
} as const;

/** A choice of namespaces; a field to type one for who may not list them. */
function NamespacePicker({ here }: { here: Route }) {
  const { items, error } = useLive(NAMESPACES, {});
  const choose = (namespace: string): void =>
    go(here.page === 'object' ? { page: 'list', kind: here.kind, namespace } : { ...here, namespace });
  const names = items.map(({ metadata }) => metadata.name!).toSorted();
  if (error && names.length === 0) {
    return (
      <label class="picker">
        Namespace
        <input
          key={here.namespace}
          defaultValue={here.namespace}
          placeholder="all"
          onChange={(event) => choose(event.currentTarget.value.trim())}
        />
      </label>
    );
  }
  if (here.namespace && !names.includes(here.namespace)) names.push(here.namespace);
  return (
    <label class="picker">
      Namespace
      <select value={here.namespace} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">All namespaces</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
