import { applyDefaults, applyStatusDefaults } from '../../api/defaults/defaults.ts';
import { prepareForUpdate, prepareStatusUpdate } from '../../api/strategy/prepare.ts';
import { validateStatusUpdate, validateUpdate } from '../../api/validation/validate.ts';
import { conflict, invalid, statusError, StatusError, type FieldError } from '../../api/status.ts';
import type { ObjectMeta } from '../../api/types.gen.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { AdmissionRequest } from '../contract.ts';
import { MODIFIED } from '../errors.ts';
import type { Entry } from '../watch/entry.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { toStored, viewOf } from './convert.ts';
import { checkValid, createDecoded } from './create.ts';
import { decodeBody } from './decode.ts';
import { finished } from './deletion.ts';
import { allowsCreateOnUpdate, allowsUnconditionalUpdate } from './kinds.ts';
import { trackManager } from './managers.ts';
import { writeOptions, type WriteOptions } from './options.ts';
import { namespaceOf, type Call, type Registry, type Result } from './registry.ts';
import { guardedChange, type Change, type Changed, type ObjectRef } from './store.ts';

/** PUT of an object, or of its status. */
export async function update(registry: Registry, call: Call): Promise<Result> {
  const { context, served } = call;
  const options = writeOptions(context, 'UpdateOptions');
  const object = toStored(served, await decodeBody(call, options.fieldValidation));
  checkNames(call, object);
  const { info } = served;
  try {
    const { entry } = await updateObject(registry, call, { options, rules: rulesFor(call), make: () => structuredObject(object) });
    return { kind: 'object', status: 200, info, view: viewOf(served, entry) };
  } catch (error) {
    if (
      !StatusError.is(error, 'NotFound') ||
      context.info.subresource !== '' ||
      !allowsCreateOnUpdate(info) ||
      object.metadata.resourceVersion
    )
      throw error;
    registry.requireCreate(context);
    const entry = await createDecoded(registry, call, object, { options, converted: true });
    return { kind: 'object', status: 201, info, view: viewOf(served, entry) };
  }
}

/** Each attempt works on its own copy of the levels that it changes. */
function structuredObject(object: KubeObject): KubeObject {
  return { ...object, metadata: { ...object.metadata } };
}

function checkNames({ context, served }: Call, { metadata }: KubeObject): void {
  const { name, namespace } = context.info;
  metadata.name ||= name;
  if (metadata.name !== name) {
    throw statusError('BadRequest', `the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (!served.info.namespaced) delete metadata.namespace;
  else metadata.namespace ||= namespace;
  if (served.info.namespaced && metadata.namespace !== namespace) {
    throw statusError(
      'BadRequest',
      `the namespace of the object (${metadata.namespace}) does not match the namespace on the URL (${namespace})`,
    );
  }
}

/** What an update of one part of an object obeys. */
export interface UpdateRules {
  /** Fills in, in place, what the writer left out of the part that this door may change. */
  defaults(info: ResourceInfo, object: KubeObject): KubeObject;
  /** Keeps what this door may not change, and derives what follows from the change. */
  prepare(info: ResourceInfo, object: KubeObject, live: KubeObject, now: number): KubeObject;
  validate(info: ResourceInfo, object: KubeObject, live: KubeObject): FieldError[];
  /** Whether addresses and ports are taken and given back. */
  claims: boolean;
}

const WHOLE: UpdateRules = { defaults: applyDefaults, prepare: prepareForUpdate, validate: validateUpdate, claims: true };
const STATUS: UpdateRules = { defaults: applyStatusDefaults, prepare: prepareStatusUpdate, validate: validateStatusUpdate, claims: false };

export function rulesFor({ context }: Call): UpdateRules {
  return context.info.subresource === 'status' ? STATUS : WHOLE;
}

export interface Update {
  options: WriteOptions;
  rules: UpdateRules;
  /**
   * The new object from the live one, in the stored version, owned by the caller; through the status it may lack the rest. Called again when
   * somebody else wrote in between.
   */
  make: (live: KubeObject) => KubeObject | Promise<KubeObject>;
  /** Where admission plugins are shown something else than the object itself. */
  shown?: ShownToAdmission;
}

/** What plugins see of an object behind a subresource with a kind of its own, and what their changes to it mean. */
export interface ShownToAdmission {
  of(object: KubeObject): KubeObject;
  taken(admitted: KubeObject, object: KubeObject): KubeObject;
}

/** Replaces the object by what `make` returns. Repeats after a lost race, unless the new object names the revision that it replaces. */
export async function updateObject(registry: Registry, call: Call, update: Update): Promise<Changed> {
  const { context, served } = call;
  const { options, rules } = update;
  const ref: ObjectRef = { namespace: namespaceOf(call), name: context.info.name };
  const held = registry.claims.get(served.cache.prefix);
  const claims = rules.claims ? held : undefined;
  let claim: ReturnType<NonNullable<typeof claims>['take']> | undefined;
  const attempt = async (live: Entry): Promise<Change> => {
    claim?.rollback();
    claim = undefined;
    const next = await prepare(registry, call, update, live);
    claim = claims?.take(next, live.object);
    const object = claim?.object ?? next;
    checkValid(registry, served, object, rules.validate(served.stored, object, live.object));
    await validateAdmission(registry, requestFor(call, update, object, live));
    return finished(served.stored, object) ? { remove: true } : { put: object };
  };
  try {
    const changed = await guardedChange(registry, served, ref, attempt, { dryRun: options.dryRun, waiter: context });
    if (options.dryRun || changed.outcome === 'removed') claim?.rollback();
    else claim?.commit();
    if (changed.outcome === 'removed' && !options.dryRun) held?.release(changed.entry.object);
    return changed;
  } catch (error) {
    claim?.rollback();
    throw error;
  }
}

async function prepare(registry: Registry, call: Call, { options, rules, make, shown }: Update, live: Entry): Promise<KubeObject> {
  const { served } = call;
  const given = await make(live.object);
  keepSystemFields(call, given, live);
  // Before admission and preparation: what the server adds belongs to nobody.
  const owned = trackManager(registry, { call, object: rules.defaults(served.stored, given), options, live: live.object });
  const now = registry.clock.now();
  const prepared = rules.prepare(served.stored, owned, live.object, now);
  const request = requestFor(call, { options, shown }, prepared, live);
  const { object } = await mutate(registry, request);
  if (object === request.object) return prepared;
  // What admission changed counts for the generation, too.
  return rules.prepare(served.stored, shown ? shown.taken(object!, prepared) : object!, live.object, now);
}

function requestFor(call: Call, { options, shown }: Pick<Update, 'options' | 'shown'>, next: KubeObject, live: Entry): AdmissionRequest {
  const object = shown ? shown.of(next) : next;
  const oldObject = shown ? shown.of(live.object) : live.object;
  return admissionRequest(call, { operation: 'UPDATE', object, oldObject, dryRun: options.dryRun });
}

/** Checks the revision and the uid that the client means, and keeps what no client may change (rest.BeforeUpdate). */
function keepSystemFields({ served: { info } }: Call, { metadata }: KubeObject, live: Entry): void {
  const name = live.name;
  const old = live.object.metadata;
  const given = metadata.resourceVersion;
  if (given && given !== '0') {
    if (given !== String(live.revision)) throw conflict(info.resource, info.group, name, MODIFIED);
  } else if (!allowsUnconditionalUpdate(info)) {
    throw invalid(info.kind, info.group, name, [
      { field: 'metadata.resourceVersion', type: 'FieldValueInvalid', message: 'Invalid value: 0: must be specified for an update' },
    ]);
  }
  if (metadata.uid && metadata.uid !== old.uid) {
    throw conflict(
      info.resource,
      info.group,
      name,
      `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.uid}`,
    );
  }
  delete metadata.selfLink;
  for (const field of KEPT) keepField(metadata, old, field);
}

const KEPT = ['uid', 'creationTimestamp', 'generation', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const;

function keepField(metadata: ObjectMeta, old: ObjectMeta, field: (typeof KEPT)[number]): void {
  if (old[field] === undefined) delete metadata[field];
  else (metadata as Record<string, unknown>)[field] = old[field];
}
