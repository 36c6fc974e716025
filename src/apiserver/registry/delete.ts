import type { StatusDetails, Status } from '../../api/types.gen.ts';
import type { Entry } from '../watch/entry.ts';
import { admissionRequest, deleteOptionsFor, mutate, validateAdmission } from './admit.ts';
import { viewOf } from './convert.ts';
import { planDeletion } from './deletion.ts';
import { returnsDeleted } from './kinds.ts';
import { deleteOptionsBody } from './decode.ts';
import { deleteOptions, type DeleteOptions } from './options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';
import { guardedChange, type Change, type Changed } from './store.ts';

/** DELETE of one object: it is gone, or on its way. */
export async function remove(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const options = deleteOptions(context.query, await deleteOptionsBody(call.body));
  const { entry, outcome } = await removeObject(registry, call, options, context.info.name);
  const { info } = served;
  if (outcome === 'removed' && !returnsDeleted(info)) return { kind: 'value', status: 200, body: deletedStatus(call, entry) };
  // 202 says that it is still there, to those who asked for the dependents to go first.
  const status = outcome !== 'removed' && options.waitsForDependents ? 202 : 200;
  return { kind: 'object', status, info, view: viewOf(served, entry) };
}

export async function removeObject(registry: Registry, call: Call, options: DeleteOptions, name: string): Promise<Changed> {
  const { context, served } = call;
  const attempt = async (live: Entry): Promise<Change> => {
    const change = planDeletion(served, live, options, registry.clock.now());
    const request = admissionRequest(call, {
      operation: 'DELETE',
      oldObject: live.object,
      dryRun: options.dryRun,
      name,
      options: deleteOptionsFor(options),
    });
    await validateAdmission(registry, await mutate(registry, request));
    return change;
  };
  const changed = await guardedChange(registry, served, { namespace: namespaceOf(call), name }, attempt, {
    dryRun: options.dryRun,
    waiter: context,
  });
  if (changed.outcome === 'removed' && !options.dryRun) registry.claims.get(served.cache.prefix)?.release(changed.entry.object);
  return changed;
}

function deletedStatus({ served: { info } }: Call, entry: Entry): Status {
  const details: StatusDetails = {
    name: entry.name,
    ...(info.group ? { group: info.group } : {}),
    kind: info.resource,
    uid: entry.object.metadata.uid!,
  };
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}
