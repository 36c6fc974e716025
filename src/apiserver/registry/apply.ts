import { applyObject } from '../../api/apply/apply.ts';
import { cloneJson } from '../../api/patch/json.ts';
import { invalid, statusError, StatusError } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import { fromStored, toStored, viewOf } from './convert.ts';
import { createDecoded } from './create.ts';
import { decodeConfiguration, decodePatched } from './decode.ts';
import type { WriteOptions } from './options.ts';
import type { Call, Registry, Result } from './registry.ts';
import { rulesFor, updateObject, type UpdateRules } from './update.ts';

export const APPLY_TYPE = 'application/apply-patch+yaml';

/** PATCH with an apply configuration (KEP-555): merges what the manager states, creates the object when there is none. */
export async function apply(registry: Registry, call: Call, given: WriteOptions, rules: UpdateRules = rulesFor(call)): Promise<Result> {
  const { context, served } = call;
  requireManager(call);
  const applied = toStored(served, await decodeConfiguration(call, given.fieldValidation), { stated: true });
  checkIdentity(call, applied);
  const options = { ...given, applied: true };
  const merge = mergeOf(registry, call, applied, options);
  try {
    const { entry } = await updateObject(registry, call, { options, rules, make: merge });
    return { kind: 'object', status: 200, info: served.info, view: viewOf(served, entry) };
  } catch (error) {
    if (!StatusError.is(error, 'NotFound') || context.info.subresource !== '') throw error;
    return createApplied(registry, call, { options, merge, uid: applied.metadata.uid });
  }
}

/** From the live object, if any, to what it is with the configuration in it. Throws StatusError 409 on conflicts. */
export function mergeOf(
  registry: Registry,
  call: Call,
  applied: KubeObject,
  options: WriteOptions,
): (live: KubeObject | undefined) => KubeObject {
  const { served, context } = call;
  return (live) => {
    const { object } = applyObject({
      info: served.stored,
      live,
      applied,
      manager: options.fieldManager,
      force: options.force,
      subresource: context.info.subresource,
      now: registry.clock.now(),
    });
    // What follows fills in defaults in place, and neither the live object nor the configuration (of a second attempt) may have them.
    const merged = decodePatched({ ...call, served: { ...served, info: served.stored } }, cloneJson(object), { fieldValidation: 'Ignore' });
    // What is made through a version of old has that version's defaults, which belong to nobody.
    return served.info.legacy && !live ? toStored(served, fromStored(served, merged)) : merged;
  };
}

/** Who applies must say who it is: a configuration without its manager cannot be told from anybody else's. */
export function requireManager({ context }: Call): void {
  if (context.query.get('fieldManager')) return;
  throw invalid('PatchOptions', 'meta.k8s.io', '', [
    { field: 'fieldManager', type: 'FieldValueRequired', message: 'Required value: is required for apply patch' },
  ]);
}

interface Creation {
  options: WriteOptions;
  merge: (live: undefined) => KubeObject;
  uid: string | undefined;
}

async function createApplied(registry: Registry, call: Call, { options, merge, uid }: Creation): Promise<Result> {
  const { served, context } = call;
  if (uid) {
    throw statusError('Conflict', `uid mismatch: the provided object specified uid ${uid}, and no existing object was found`, {
      name: context.info.name,
      kind: served.info.resource,
    });
  }
  registry.requireCreate(context);
  const entry = await createDecoded(registry, call, merge(undefined), { options, converted: true });
  return { kind: 'object', status: 201, info: served.info, view: viewOf(served, entry) };
}

function checkIdentity({ context, served }: Call, { metadata }: KubeObject): void {
  const { name, namespace } = context.info;
  metadata.name ||= name;
  if (metadata.name !== name)
    throw statusError('BadRequest', `the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  if (!served.info.namespaced) delete metadata.namespace;
  else metadata.namespace ||= namespace;
  if (served.info.namespaced && metadata.namespace !== namespace) {
    throw statusError(
      'BadRequest',
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the URL (${namespace})`,
    );
  }
}
