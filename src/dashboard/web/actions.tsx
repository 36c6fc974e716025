import { useState } from 'preact/hooks';
import type { ObjectWithMeta } from '../../api/meta.ts';
import { errorMessage } from '../../lib/errors.ts';
import { createResourceClient } from '../../client/resource-client.ts';
import { useAllowed } from './use-allowed.ts';
import { Dialog } from './dialog.tsx';
import type { Action, Kind } from './kinds.ts';
import { clock } from './clock.ts';
import { notify } from './notices.tsx';
import { useSession } from './session.ts';

interface ActionsProps {
  kind: Kind;
  object: ObjectWithMeta;
  /** Where to go when the object is gone. */
  list: string;
}

/** What who is signed in may do with the object; what the roles do not include is not offered. */
export function Actions(props: ActionsProps) {
  const [asked, setAsked] = useState<Action>();
  const allowed = useAllowedActions(props);
  const close = (): void => setAsked(undefined);
  return (
    <div class="actions">
      {props.kind.actions
        .filter((action) => allowed[action])
        .map((action) => (
          <button key={action} type="button" class={action === 'delete' ? 'danger' : undefined} onClick={() => setAsked(action)}>
            {TITLES[action]}
          </button>
        ))}
      {asked === 'scale' && <ScaleDialog {...props} onClose={close} />}
      {asked === 'restart' && <RestartDialog {...props} onClose={close} />}
      {asked === 'delete' && <DeleteDialog {...props} onClose={close} />}
    </div>
  );
}

const TITLES: Readonly<Record<Action, string>> = { scale: 'Scale', restart: 'Restart', delete: 'Delete' };

function useAllowedActions({ kind: { type }, object: { metadata } }: ActionsProps): Partial<Record<Action, boolean>> {
  const { namespace, name } = metadata;
  return {
    scale: useAllowed({ verb: 'patch', type, subresource: 'scale', namespace, name }),
    restart: useAllowed({ verb: 'patch', type, namespace, name }),
    delete: useAllowed({ verb: 'delete', type, namespace, name }),
  };
}

interface ActionDialogProps extends ActionsProps {
  onClose(): void;
}

function ScaleDialog({ kind, object, onClose }: ActionDialogProps) {
  const before = (object as { spec?: { replicas?: number } }).spec?.replicas ?? 1;
  const [replicas, setReplicas] = useState(before);
  const run = useAction({ kind, object, onClose });
  const scale = (): Promise<void> =>
    run(`Scaled to ${replicas}`, async (client, name) => void (await client.patch(name, 'merge', { spec: { replicas } }, 'scale')));
  return (
    <Dialog title={`Scale ${object.metadata.name}`} action="Scale" onAction={scale} onClose={onClose}>
      <label>
        Replicas
        <input
          type="number"
          min={0}
          max={10_000}
          value={replicas}
          autoFocus
          onInput={(event) => setReplicas(event.currentTarget.valueAsNumber || 0)}
        />
      </label>
      <p class="hint">It has {before} now.</p>
    </Dialog>
  );
}

function RestartDialog({ kind, object, onClose }: ActionDialogProps) {
  const run = useAction({ kind, object, onClose });
  // As `kubectl rollout restart` does it: a changed template makes new pods, in the order that the strategy says.
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date(clock.now()).toISOString() };
  const restart = (): Promise<void> =>
    run(
      'Restarting',
      async (client, name) => void (await client.patch(name, 'merge', { spec: { template: { metadata: { annotations } } } })),
    );
  return (
    <Dialog title={`Restart ${object.metadata.name}`} action="Restart" onAction={restart} onClose={onClose}>
      <p>Its pods are replaced by new ones, a few at a time.</p>
    </Dialog>
  );
}

function DeleteDialog({ kind, object, list, onClose }: ActionDialogProps) {
  const run = useAction({ kind, object, onClose });
  const { name, uid } = object.metadata;
  const remove = (): Promise<void> =>
    run('Deleted', async (client) => {
      // Of this one only: another may have taken its name while the question was open.
      await client.delete(name!, { propagationPolicy: 'Background', preconditions: { uid: uid! } });
      window.location.hash = list;
    });
  return (
    <Dialog title={`Delete ${kind.type.kind} ${name}?`} action="Delete" danger onAction={remove} onClose={onClose}>
      <p>
        {kind.type.kind === 'Namespace' ? 'Everything in it is deleted too.' : 'What it controls is deleted with it.'} This cannot be
        undone.
      </p>
    </Dialog>
  );
}

type ObjectClient = ReturnType<typeof createResourceClient>;

/** Runs an action on the object and tells what came of it, a refusal in the API server's own words. */
function useAction({ kind, object, onClose }: Omit<ActionDialogProps, 'list'>) {
  const { api } = useSession();
  const { name, namespace } = object.metadata;
  return async (done: string, act: (client: ObjectClient, name: string) => Promise<void>): Promise<void> => {
    try {
      await act(createResourceClient(api.request, kind.type, namespace), name!);
      notify(`${done}: ${kind.type.kind} ${name}`);
    } catch (error) {
      notify(errorMessage(error), { failed: true });
    }
    onClose();
  };
}
