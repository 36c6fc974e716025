import { useEffect, useState } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import { errorMessage } from '../../lib/errors.ts';
import { useAllowed } from './use-allowed.ts';
import type { Kind } from './kinds.ts';
import { withoutManagedFields } from './managed-fields.ts';
import { notify } from './notices.tsx';
import { untilAnswered } from './retry.ts';
import { useSession } from './session.ts';
import { Failure, Loading } from './states.tsx';
import { YamlView } from './yaml-view.tsx';

interface YamlTabProps {
  kind: Kind;
  object: ObjectWithMeta;
  /** The object's URL at the API server. */
  path: string;
}

/** The object as YAML, current until it is being edited. A Secret's is shown when asked for. */
export function YamlTab({ kind, object, path }: YamlTabProps) {
  const { namespace, name, resourceVersion } = object.metadata;
  const mayUpdate = useAllowed({ verb: 'update', type: kind.type, namespace, name });
  const [revealed, setRevealed] = useState(kind.type.kind !== 'Secret');
  const [draft, setDraft] = useState<string>();
  const { text, error } = useYaml(path, draft === undefined ? resourceVersion : undefined, revealed);
  if (!revealed) {
    return (
      <div class="empty">
        <h2>This YAML holds the Secret’s values</h2>
        <button type="button" onClick={() => setRevealed(true)}>
          Show it
        </button>
      </div>
    );
  }
  if (error) return <Failure error={error} what={`${kind.type.kind} ${name}`} />;
  if (text === undefined) return <Loading />;
  if (draft !== undefined) return <Editor draft={draft} setDraft={setDraft} original={text} path={path} changed={text !== draft} />;
  return (
    <section class="yaml">
      {mayUpdate && kind.type.kind !== 'Event' && (
        <div class="toolbar">
          <button type="button" onClick={() => setDraft(text)}>
            Edit
          </button>
        </div>
      )}
      <YamlView text={text} />
    </section>
  );
}

/** Read again when the revision changes; kept as it is while there is none. */
function useYaml(path: string, resourceVersion: string | undefined, wanted: boolean): { text?: string; error?: Error } {
  const { api } = useSession();
  const [read, setRead] = useState<{ text?: string; error?: Error }>({});
  useEffect(() => {
    if (!wanted || resourceVersion === undefined) return undefined;
    return untilAnswered(
      () => api.yaml(path),
      (text) => setRead({ text: withoutManagedFields(text) }),
      (error) => setRead({ error }),
    );
  }, [api, path, resourceVersion, wanted]);
  return read;
}

interface EditorProps {
  draft: string;
  setDraft(draft: string | undefined): void;
  original: string;
  path: string;
  changed: boolean;
}

function Editor({ draft, setDraft, path, changed }: EditorProps) {
  const { api } = useSession();
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    setBusy(true);
    try {
      await api.putYaml(path, draft);
      notify('Saved');
      setDraft(undefined);
    } catch (error) {
      setProblem(explain(error));
    }
    setBusy(false);
  };
  return (
    <section class="yaml">
      <div class="toolbar">
        <button type="button" class="primary" disabled={!changed || busy} onClick={() => void save()}>
          Save
        </button>
        <button type="button" onClick={() => setDraft(undefined)}>
          Discard
        </button>
      </div>
      {problem && (
        <p class="warning" role="alert">
          {problem}
        </p>
      )}
      <textarea
        class="editor"
        aria-label="The object as YAML"
        spellcheck={false}
        autocomplete="off"
        value={draft}
        rows={Math.max(20, draft.split('\n').length + 1)}
        onInput={(event) => setDraft(event.currentTarget.value)}
      />
    </section>
  );
}

function explain(error: unknown): string {
  if (StatusError.is(error, 'Conflict'))
    return `Somebody changed it in the meantime. Discard, and edit it as it is now. (${error.message})`;
  return errorMessage(error);
}
