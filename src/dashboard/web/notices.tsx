import { clock } from './clock.ts';
import { createStore, useStore } from './store.ts';

interface Notice {
  id: number;
  text: string;
  failed: boolean;
}

const notices = createStore<readonly Notice[]>([]);
const STAY_MS = 6000;
let last = 0;

/** Tells what came of an action. Failures stay until they are closed. */
export function notify(text: string, { failed = false } = {}): void {
  const id = ++last;
  notices.set([...notices.get(), { id, text, failed }]);
  if (!failed) clock.timer(STAY_MS, () => dismiss(id));
}

export function Notices() {
  const current = useStore(notices);
  return (
    <div class="notices" role="status" aria-live="polite">
      {current.map(({ id, text, failed }) => (
        <p key={id} class={failed ? 'notice failed' : 'notice'}>
          {text}
          <button type="button" class="quiet" aria-label="Close this message" onClick={() => dismiss(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  );
}

function dismiss(id: number): void {
  notices.set(notices.get().filter((notice) => notice.id !== id));
}
