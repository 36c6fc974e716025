import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface DialogProps {
  title: string;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
  onAction(): Promise<void>;
  onClose(): void;
  children: ComponentChildren;
}

/** A question before something is done. Escape and Cancel close it. */
export function Dialog({ title, action, danger = false, onAction, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  useLayoutEffect(() => element.current!.showModal(), []);
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    void onAction();
  };
  return (
    <dialog ref={element} aria-labelledby="dialog-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'danger filled' : 'primary'} disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
