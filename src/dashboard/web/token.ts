import { errorMessage } from '../../lib/errors.ts';
import { createStore } from './store.ts';

const KEY = 'rockpool.token';

/** The bearer token of who is signed in: kept for this tab only, and never sent as a cookie. */
export const token = createStore<string | undefined>(undefined);
/** Why the last session ended, when it was not the person who ended it. */
export const signOutReason = createStore<string | undefined>(undefined);

/** Takes what `rockpool dashboard` puts behind `#code=` (or a script behind `#token=`) and erases it from the address bar; else the token of this tab. */
export async function restoreToken(location: Location, history: History): Promise<void> {
  const [, kind, value] = /^#(code|token)=(.+)$/.exec(location.hash) ?? [];
  if (!kind || !value) return token.set(sessionStorage.getItem(KEY) ?? undefined);
  history.replaceState(null, '', location.pathname);
  if (kind === 'token') signIn(decodeURIComponent(value));
  else await redeem(value);
}

/** A code is good for one sign-in. */
async function redeem(code: string): Promise<void> {
  try {
    const answer = await fetch('/sign-in/redeem', { method: 'POST', body: code });
    if (answer.ok) return signIn(((await answer.json()) as { token: string }).token);
    signOut('This address has signed somebody in already, or it is too old. Type rockpool dashboard again for a new one.');
  } catch (error) {
    signOut(`The cluster did not answer: ${errorMessage(error)}. Type rockpool dashboard again.`);
  }
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
