import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { createAccess, type Access } from './access.ts';
import { type Api, createApi } from './api.ts';
import { LiveLists } from './live.ts';
import { signOut, tokenSubject } from './token.ts';

/** What lasts from signing in to signing out. */
export interface Session {
  api: Api;
  lists: LiveLists;
  access: Access;
  /** For showing. */
  user: string;
  close(): void;
}

export function createSession(token: string): Session {
  const api = createApi(token, () => signOut('The cluster no longer accepts this token: it may have expired. Sign in again.'));
  const lists = new LiveLists(api);
  return {
    api,
    lists,
    access: createAccess(api),
    user: tokenSubject(token),
    close: () => {
      lists.close();
      api.close();
    },
  };
}

export const SessionContext = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error('nobody is signed in');
  return session;
}
