import { createStore } from './store.ts';

const KEY = 'rockpool.token';

/** The bearer token of who is signed in: kept for this tab only, and never sent as a cookie. */
export const token = createStore<string | undefined>(undefined);
/** Why the last session ended, when it was not the person who ended it. */
export const signOutReason = createStore<string | undefined>(undefined);

/** Takes the token that `rockpool dashboard` puts behind `#token=`, and erases it from the address bar; else the one of this tab. */
export function restoreToken(location: Location, history: History): void {
  const given = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (given) {
    history.replaceState(null, '', location.pathname);
    signIn(decodeURIComponent(given));
  } else token.set(sessionStorage.getItem(KEY) ?? undefined);
}

export function signIn(value: string): void {
  sessionStorage.setItem(KEY, value);
  signOutReason.set(undefined);
  token.set(value);
}

export function signOut(reason?: string): void {
  sessionStorage.removeItem(KEY);
  signOutReason.set(reason);
  token.set(undefined);
}

/** Who a ServiceAccount token speaks for, as the token itself says: for showing only, the API server is the one to check it. */
export function tokenSubject(value: string): string {
  try {
    const payload = value.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/');
    const { sub } = JSON.parse(atob(payload)) as { sub?: unknown };
    return typeof sub === 'string' ? sub.replace(/^system:serviceaccount:/, '').replace(':', '/') : 'signed in';
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof DOMException || error instanceof TypeError) return 'signed in';
    throw error;
  }
}
