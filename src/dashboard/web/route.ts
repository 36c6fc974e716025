import { createStore } from './store.ts';

/** Where the person is; the address's fragment says it, so that back, forward and bookmarks work. */
export type Route = { namespace: string } & (
  | { page: 'overview' }
  | { page: 'list'; kind: string }
  | { page: 'object'; kind: string; in: string; name: string; tab: string }
);

/** `#/pods?ns=web`, `#/pods/web/front-7d8f/logs?ns=web`; cluster-wide objects have `-` for their namespace. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?');
  const namespace = new URLSearchParams(query).get('ns') ?? '';
  const [kind, within, name, tab] = path.split('/').map(decodeURIComponent);
  if (!kind) return { page: 'overview', namespace };
  if (!within || !name) return { page: 'list', kind, namespace };
  return { page: 'object', kind, in: within === '-' ? '' : within, name, tab: tab || 'summary', namespace };
}

export function href(route: Route): string {
  const query = route.namespace ? `?ns=${encodeURIComponent(route.namespace)}` : '';
  if (route.page === 'overview') return `#/${query}`;
  const parts =
    route.page === 'list' ? [route.kind] : [route.kind, route.in || '-', route.name, ...(route.tab === 'summary' ? [] : [route.tab])];
  return `#/${parts.map(encodeURIComponent).join('/')}${query}`;
}

export const route = createStore<Route>(parseRoute(''));

export function followAddress(window: Window): void {
  const read = (): void => route.set(parseRoute(window.location.hash));
  window.addEventListener('hashchange', read);
  read();
}

export function go(to: Route): void {
  window.location.hash = href(to);
}
