import { useLayoutEffect, useMemo } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { ResourceType } from '../../client/client.ts';
import type { LiveList, LiveQuery } from './live.ts';
import { useSession } from './session.ts';
import { createStore, useStore } from './store.ts';

const NOTHING = createStore<LiveList<never>>({ items: [], ready: false });

/** What is listed by this type and query, live. Without a query nothing is asked for. */
export function useLive<T extends ObjectWithMeta>(type: ResourceType<T>, query: LiveQuery | undefined): LiveList<T> {
  const { lists } = useSession();
  const key = query && JSON.stringify([type.resource, query]);
  const used = useMemo(() => query && lists.use(type, query), [lists, key]);
  useLayoutEffect(() => used?.release, [used]);
  return useStore<LiveList<T>>(used?.store ?? NOTHING);
}
