import { validateUpdate } from '../../api/validation/validate.ts';
import { applyScale, scaleOf, type Scale } from '../../api/strategy/scale.ts';
import { invalid, statusError } from '../../api/status.ts';
import { groupVersion } from '../../api/meta.ts';
import { schemaOf } from '../../api/scheme.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Schema } from '../../api/schema/schema.ts';
import { APPLY_TYPE, mergeOf, requireManager } from './apply.ts';
import { decodeOwnConfiguration, decodeOwnKind, type OwnKind } from './decode.ts';
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
  const scale = await decodeOwnKind<Scale>(call, scaleKind(), options.fieldValidation);
  return scaleTo(registry, call, options, () => scale);
}

export async function patchScale(registry: Registry, call: Call): Promise<Result> {
  const options = writeOptions(call.context, 'PatchOptions');
  if (call.body.contentType === APPLY_TYPE) return appliedScale(registry, call, { ...options, applied: true });
  const change = patcher(call.body.contentType, await call.body.json(), scaleSchema());
  return scaleTo(registry, call, options, (live) => change(scaleOf(call.served.stored, live)) as Scale);
}

/** A Scale that is applied owns the replicas, wherever its kind keeps them; one that states none gives them up. */
async function appliedScale(registry: Registry, call: Call, options: WriteOptions): Promise<Result> {
  requireManager(call);
  const scale = await decodeOwnConfiguration<Scale>(call, scaleKind(), options.fieldValidation);
  const { info, stored } = call.served;
  checkScale(scale, call.context.info.name);
  const { resourceVersion, uid } = scale.metadata ?? {};
  const identity = { apiVersion: groupVersion(stored), kind: info.kind };
  const metadata = {
    name: call.context.info.name,
    ...(info.namespaced ? { namespace: namespaceOf(call) } : {}),
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
  const raw = (await call.body.json()) as Partial<Scale>;
  const states = raw.spec?.replicas !== undefined && raw.spec.replicas !== null;
  const applied: KubeObject = { ...identity, metadata };
  return write(registry, call, options, mergeOf(registry, call, states ? applyScale(stored, applied, raw) : applied, options));
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
  return write(registry, call, options, make);
}

async function write(registry: Registry, call: Call, options: WriteOptions, make: (live: KubeObject) => KubeObject): Promise<Result> {
  const { served } = call;
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

function scaleKind(): OwnKind {
  return { kind: 'Scale', versions: ['autoscaling/v1'], schema: scaleSchema() };
}

function scaleSchema(): Schema {
  const schema = schemaOf('autoscaling', 'v1', 'Scale');
  if (!schema) throw new Error('the fact table has no Scale');
  return schema;
}
