import { useSession } from './session.ts';
import { useStore } from './store.ts';

/** Says when what is shown may no longer be so. */
export function ConnectionBar() {
  const { api } = useSession();
  const connection = useStore(api.connection);
  return (
    <div role="status" aria-live="polite">
      {connection === 'offline' && (
        <p class="connection">
          <strong>Disconnected.</strong> What you see may be out of date. Connecting again by itself…
        </p>
      )}
    </div>
  );
}
