import { validateUpdate } from '../../api/validation/validate.ts';
import { applyScale, scaleOf, type Scale } from '../../api/strategy/scale.ts';
import { invalid, statusError } from '../../api/status.ts';
import { schemaOf } from '../../api/scheme.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Schema } from '../../api/schema/schema.ts';
import { decodeOwnKind } from './decode.ts';
import { writeOptions, type WriteOptions } from './options.ts';
import { patcher } from './patch.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';
import { current } from './store.ts';
import { rulesFor, updateObject } from './update.ts';

/** `scale`: the replicas of a workload, whatever its kind, as an autoscaling/v1 Scale. */

export async function getScale(registry: Registry, call: Call): Promise<Result> {
  const { served, context } = call;
  const entry = await current(registry, served, { namespace: namespaceOf(call), name: context.info.name });
  return { kind: 'value', status: 200, body: scaleOf(served.stored, entry.object) };
}

export async function updateScale(registry: Registry, call: Call): Promise<Result> {
  const options = writeOptions(call.context, 'UpdateOptions');
  const scale = await decodeOwnKind<Scale>(
    call,
    { kind: 'Scale', versions: ['autoscaling/v1'], schema: scaleSchema() },
    options.fieldValidation,
  );
  return scaleTo(registry, call, options, () => scale);
}

export async function patchScale(registry: Registry, call: Call): Promise<Result> {
  const options = writeOptions(call.context, 'PatchOptions');
  const change = patcher(call.body.contentType, await call.body.json(), scaleSchema());
  return scaleTo(registry, call, options, (live) => change(scaleOf(call.served.stored, live)) as Scale);
}

async function scaleTo(registry: Registry, call: Call, options: WriteOptions, wanted: (live: KubeObject) => Scale): Promise<Result> {
  const { served, context } = call;
  const make = (live: KubeObject): KubeObject => {
    const scale = wanted(live);
    checkScale(scale, context.info.name);
    const next = applyScale(served.stored, live, scale);
    // Without a revision of the client's own, whatever is there is scaled.
    if (!scale.metadata?.resourceVersion) next.metadata.resourceVersion = undefined;
    return next;
  };
  const shown = {
    of: (object: KubeObject) => scaleOf(served.stored, object) as unknown as KubeObject,
    taken: (scale: KubeObject, object: KubeObject) => applyScale(served.stored, object, scale),
  };
  const { entry } = await updateObject(registry, call, { options, rules: { ...rulesFor(call), validate: validateUpdate }, make, shown });
  return { kind: 'value', status: 200, body: scaleOf(served.stored, entry.object) };
}

function checkScale({ spec, metadata }: Scale, name: string): void {
  const replicas = spec?.replicas ?? 0;
  if (metadata?.name && metadata.name !== name)
    throw statusError('BadRequest', `the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  if (replicas < 0) {
    throw invalid('Scale', 'autoscaling', name, [
      { field: 'spec.replicas', type: 'FieldValueInvalid', message: `Invalid value: ${replicas}: must be greater than or equal to 0` },
    ]);
  }
}

function scaleSchema(): Schema {
  const schema = schemaOf('autoscaling', 'v1', 'Scale');
  if (!schema) throw new Error('the fact table has no Scale');
  return schema;
}
