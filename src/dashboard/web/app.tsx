import { useEffect, useErrorBoundary, useMemo } from 'preact/hooks';
import { ConnectionBar } from './connection-bar.tsx';
import { kindOf } from './kinds.ts';
import { ListPage } from './list-page.tsx';
import { Notices } from './notices.tsx';
import { ObjectPage } from './object-page.tsx';
import { OverviewPage } from './overview-page.tsx';
import { type Route, route } from './route.ts';
import { SessionContext, createSession } from './session.ts';
import { Sidebar } from './sidebar.tsx';
import { SignInPage } from './sign-in-page.tsx';
import { Empty } from './states.tsx';
import { useStore } from './store.ts';
import { token } from './token.ts';
import { TopBar } from './top-bar.tsx';

export function App() {
  const current = useStore(token);
  return current === undefined ? <SignInPage /> : <SignedIn token={current} />;
}

function SignedIn({ token }: { token: string }) {
  const session = useMemo(() => createSession(token), [token]);
  useEffect(() => session.close, [session]);
  const here = useStore(route);
  return (
    <SessionContext.Provider value={session}>
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to the content
      </a>
      <div class="shell">
        <Sidebar here={here} />
        <div class="stage">
          <TopBar here={here} />
          <ConnectionBar />
          <main id="main" tabIndex={-1}>
            <Guarded here={here} />
          </main>
        </div>
      </div>
      <Notices />
    </SessionContext.Provider>
  );
}

/** The fragment is the page's address: following it would lead away. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#main')?.focus();
}

/** What cannot be shown takes nothing else with it: the person can go elsewhere. */
function Guarded({ here }: { here: Route }) {
  const [error, reset] = useErrorBoundary();
  useEffect(() => (error === undefined ? undefined : route.subscribe(reset)), [error]);
  if (error instanceof Error) return <Empty title="This cannot be shown">The page met an error of its own: {error.message}</Empty>;
  return <Page here={here} />;
}

function Page({ here }: { here: Route }) {
  if (here.page === 'overview') return <OverviewPage here={here} />;
  const kind = kindOf(here.kind);
  if (!kind) return <Empty title="There is no such page">The dashboard does not show “{here.kind}”.</Empty>;
  if (here.page === 'list') return <ListPage key={kind.type.resource} kind={kind} here={here} />;
  return <ObjectPage key={`${here.kind}/${here.in}/${here.name}`} kind={kind} here={here} />;
}
