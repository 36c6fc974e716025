import { useRef } from 'preact/hooks';
import { Logo } from './logo.tsx';
import { useStore } from './store.ts';
import { signIn, signOutReason } from './token.ts';

export function SignInPage() {
  const input = useRef<HTMLTextAreaElement>(null);
  const reason = useStore(signOutReason);
  const submit = (event: Event): void => {
    event.preventDefault();
    const token = input.current!.value.trim();
    if (token) signIn(token);
  };
  return (
    <main class="sign-in">
      <form onSubmit={submit} aria-labelledby="sign-in-title">
        <Logo />
        <h1 id="sign-in-title">Sign in to your cluster</h1>
        {reason && (
          <p class="warning" role="alert">
            {reason}
          </p>
        )}
        <p>
          Type <kbd>rockpool dashboard</kbd> in a terminal: it opens this page and signs you in.
        </p>
        <label for="token">Or paste a ServiceAccount’s token</label>
        <textarea
          id="token"
          ref={input}
          rows={4}
          spellcheck={false}
          autocomplete="off"
          placeholder="eyJhbGciOi…"
          required
          onKeyDown={(event) => {
            if (event.key === 'Enter') submit(event);
          }}
        />
        <button type="submit" class="primary">
          Sign in
        </button>
        <p class="hint">
          A token with the roles of an account: <kbd>kubectl create token NAME</kbd>. You see and do here what its roles allow, no more. The
          token stays in this tab.
        </p>
      </form>
    </main>
  );
}
