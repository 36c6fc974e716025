import { GROUPS } from './kinds.ts';
import { Logo } from './logo.tsx';
import { type Route, href } from './route.ts';

export function Sidebar({ here }: { here: Route }) {
  const { namespace } = here;
  const current = here.page === 'overview' ? '' : here.kind;
  return (
    <nav class="sidebar" aria-label="Kinds of objects">
      <a class="brand" href={href({ page: 'overview', namespace })}>
        <Logo /> Rockpool
      </a>
      <a class="entry" href={href({ page: 'overview', namespace })} aria-current={current === '' ? 'page' : undefined}>
        Overview
      </a>
      {GROUPS.map(({ title, kinds }) => (
        <section key={title}>
          <h2>{title}</h2>
          <ul>
            {kinds.map(({ type, title: name }) => (
              <li key={type.resource}>
                <a
                  class="entry"
                  href={href({ page: 'list', kind: type.resource, namespace })}
                  aria-current={current === type.resource ? 'page' : undefined}
                >
                  {name}
                </a>
              </li>
            ))}
          </ul>
        </section>
      ))}
    </nav>
  );
}
