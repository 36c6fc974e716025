import type { ComponentChildren } from 'preact';
import { StatusError } from '../../api/status.ts';

/** Nothing to show, and why. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty" role="status">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Loading() {
  return (
    <div class="empty" role="status">
      <p class="loading">Loading…</p>
    </div>
  );
}

/** What failed, in the API server's own words where it spoke. */
export function Failure({ error, what }: { error: Error; what: string }) {
  if (!(error instanceof StatusError)) return <Empty title="No answer yet">Waiting for the cluster to answer: {error.message}.</Empty>;
  if (error.code === 403) {
    return (
      <div class="empty" role="alert">
        <h2>You may not see {what}</h2>
        <p>This is not an error: your account’s roles do not include it. The cluster says:</p>
        <p>
          <code>{error.message}</code>
        </p>
      </div>
    );
  }
  if (error.code === 404) return <Empty title="It is not there">{error.message}</Empty>;
  return (
    <div class="empty" role="alert">
      <h2>The cluster could not answer</h2>
      <p>
        <code>{error.message}</code>
      </p>
    </div>
  );
}
