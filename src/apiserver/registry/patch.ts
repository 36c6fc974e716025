import { isRecord } from '../../api/patch/json.ts';
import { applyJsonPatch } from '../../api/patch/json-patch.ts';
import { applyMergePatch } from '../../api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../../api/patch/strategic-merge-patch.ts';
import { invalid, statusError, StatusError } from '../../api/status.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Schema } from '../../api/schema/schema.ts';
import { unknownFormat, type RequestBody } from '../body.ts';
import { apply, APPLY_TYPE } from './apply.ts';
import { fromStored, toStored, viewOf } from './convert.ts';
import { decodePatched } from './decode.ts';
import { writeOptions, type WriteOptions } from './options.ts';
import type { Call, Registry, Result } from './registry.ts';
import { isStatusOnly, statusPart } from './status-patch.ts';
import { rulesFor, updateObject } from './update.ts';

export const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
] as const;

/** PATCH of an object or of its status. A patch that names no revision is tried again on what another writer left. */
export async function patch(registry: Registry, call: Call): Promise<Result> {
  const { context, served, body } = call;
  const options = writeOptions(context, 'PatchOptions');
  if (body.contentType === APPLY_TYPE) return apply(registry, call, options);
  const rules = rulesFor(call);
  const { entry } = await updateObject(registry, call, { options, rules, make: await patchedObject(call, options) });
  return { kind: 'object', status: 200, info: served.info, view: viewOf(served, entry) };
}

/** From the live object, in the stored version, to the patched one. */
export async function patchedObject(call: Call, { fieldValidation }: WriteOptions): Promise<(live: KubeObject) => KubeObject> {
  const { context, served, body } = call;
  if (context.query.has('force')) {
    const message = 'Forbidden: may not be specified for non-apply patch';
    throw invalid('PatchOptions', 'meta.k8s.io', '', [{ field: 'force', type: 'FieldValueForbidden', message }]);
  }
  // Custom resources have no patch strategies: the other patches serve them.
  if (served.info.custom && body.contentType === STRATEGIC) throw unknownFormat(PATCH_TYPES.filter((type) => type !== STRATEGIC));
  const stated = await statedPatch(body);
  const change = patcher(body.contentType, stated, served.info.schema);
  const ofStatus = isStatusOnly(call, stated);
  return (live) => {
    const before = fromStored(served, live);
    const patched = change(ofStatus ? statusPart(before) : before);
    keepIdentity(call, live, patched);
    const shown = (): unknown => (body.contentType === STRATEGIC ? stated : { ...before, ...patched });
    const object = toStored(served, decodePatched(call, patched, { fieldValidation, shown }));
    if (ofStatus && before.metadata.managedFields) object.metadata.managedFields = before.metadata.managedFields;
    return object;
  };
}

/** What is to change. Throws StatusError 400 for what is no patch of its type. */
async function statedPatch(body: RequestBody): Promise<unknown> {
  const prefix = body.contentType === STRATEGIC ? '' : 'error decoding patch: ';
  try {
    const stated = await body.json();
    const isList = body.contentType === 'application/json-patch+json';
    if (isList || isRecord(stated) || stated === null) return stated;
    const given = Array.isArray(stated) ? 'array' : typeof stated === 'boolean' ? 'bool' : typeof stated;
    const why =
      stated === undefined
        ? 'unexpected end of JSON input'
        : `json: cannot unmarshal ${given} into Go value of type map[string]interface {}`;
    throw statusError('BadRequest', `${prefix}${why}`);
  } catch (error) {
    if (!(error instanceof StatusError && error.cause instanceof SyntaxError)) throw error;
    throw statusError('BadRequest', `${prefix}${error.cause.message}`, undefined, error);
  }
}

/** A function from the live object to the patched copy. Throws StatusError 415, and 400 or 422 when it is called. */
export function patcher(contentType: string, body: unknown, schema: Schema): (live: KubeObject) => KubeObject {
  switch (contentType) {
    case 'application/json-patch+json':
      return (live) => applyJsonPatch(live, body);
    case 'application/merge-patch+json':
      return (live) => applyMergePatch(live, body);
    case 'application/strategic-merge-patch+json':
      return (live) => applyStrategicMergePatch(live, body, schema);
    default:
      throw unknownFormat(PATCH_TYPES);
  }
}

const STRATEGIC = 'application/strategic-merge-patch+json';

/** A patch changes neither the name nor the namespace, and says so when it tries. */
function keepIdentity({ context }: Call, live: KubeObject, patched: KubeObject): void {
  const metadata = isRecord(patched) ? patched.metadata : undefined;
  if (typeof metadata !== 'object' || metadata === null) throw statusError('BadRequest', 'the patched object has no metadata');
  const { name } = context.info;
  if (metadata.name !== name)
    throw statusError('BadRequest', `the name of the object (${metadata.name ?? ''}) does not match the name on the URL (${name})`);
  if ((metadata.namespace ?? '') !== (live.metadata.namespace ?? '')) {
    throw statusError(
      'BadRequest',
      `the namespace of the object (${metadata.namespace ?? ''}) does not match the namespace on the URL (${live.metadata.namespace ?? ''})`,
    );
  }
}
