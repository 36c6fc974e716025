import { applyDefaults } from '../../api/defaults/defaults.ts';
import { prepareForCreate } from '../../api/strategy/prepare.ts';
import { timestamp } from '../../api/time.ts';
import { validateCreate } from '../../api/validation/validate.ts';
import { alreadyExists, invalid, statusError, StatusError, type FieldError } from '../../api/status.ts';
import { StorageError } from '../../storage/storage.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { AdmissionRequest } from '../contract.ts';
import type { ServedResource } from '../resources.ts';
import type { Entry } from '../watch/entry.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { toStored, viewOf } from './convert.ts';
import { decodeBody } from './decode.ts';
import { writeOptions, type WriteOptions } from './options.ts';
import type { Call, Registry, Result } from './registry.ts';
import { trackManager } from './managers.ts';
import { stampRequester } from './requester.ts';
import { storeNew } from './store.ts';

/** POST on a collection. */
export async function create(registry: Registry, call: Call): Promise<Result> {
  const options = writeOptions(call.context, 'CreateOptions');
  const decoded = await decodeBody(call, options.fieldValidation);
  const entry = await createDecoded(registry, call, decoded, { options });
  return { kind: 'object', status: 201, info: call.served.info, view: viewOf(call.served, entry) };
}

export interface Creation {
  options: WriteOptions;
  /** The object is in the stored version already. */
  converted?: boolean;
}

/** From the decoded object to what is stored. Apply and create-on-update come this way too. */
export async function createDecoded(
  registry: Registry,
  call: Call,
  decoded: KubeObject,
  { options, converted = false }: Creation,
): Promise<Entry> {
  const { served } = call;
  checkMeta(call, decoded);
  const stamped = stampRequester(served.stored, converted ? decoded : toStored(served, decoded), call.context.user);
  const object = applyDefaults(served.stored, stamped);
  fillSystemFields(registry, object);
  // Before admission and preparation: what the server adds belongs to nobody.
  const owned = trackManager(registry, { call, object, options, live: undefined });
  const request = await mutate(
    registry,
    admissionRequest(call, { operation: 'CREATE', object: owned, dryRun: options.dryRun, name: object.metadata.name ?? '' }),
  );
  if ((request.object!.metadata.namespace ?? '') !== (owned.metadata.namespace ?? '')) throw otherNamespace();
  // It keeps the identity that plugins were told of.
  request.object!.metadata.uid = owned.metadata.uid!;
  return storeWithName(registry, call, request, options);
}

function checkMeta({ context, served: { info } }: Call, object: KubeObject): void {
  const { metadata } = object;
  const { namespace } = context.info;
  if (!info.namespaced) {
    delete metadata.namespace;
  } else if (metadata.namespace && metadata.namespace !== namespace) {
    throw otherNamespace();
  } else if (!namespace) {
    throw statusError('BadRequest', 'an empty namespace may not be set during creation');
  } else {
    metadata.namespace = namespace;
  }
  if (metadata.resourceVersion && metadata.resourceVersion !== '0') {
    // Upstream passes this error on as it is: no reason, 500.
    throw new StatusError({
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: 'resourceVersion should not be set on objects to be created',
      code: 500,
    });
  }
}

function otherNamespace(): StatusError {
  return statusError('BadRequest', 'the namespace of the provided object does not match the namespace sent on the request');
}

/** What a client cannot choose (rest.FillObjectMetaSystemFields and BeforeCreate). */
function fillSystemFields({ clock, rng }: Registry, { metadata }: KubeObject): void {
  metadata.uid = rng.uuid();
  metadata.creationTimestamp = timestamp(clock.now());
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
}

/** How often a generated name is tried anew (KEP-4420). */
const NAME_ATTEMPTS = 8;
const GENERATED_BASE = 58;
const SUFFIX = 5;

async function storeWithName(registry: Registry, call: Call, request: AdmissionRequest, options: WriteOptions): Promise<Entry> {
  const { info } = call.served;
  const object = request.object!;
  if (object.metadata.name) return storeOne(registry, call, prepared(registry, call, request, object.metadata.name), options);
  const base = object.metadata.generateName;
  if (!base)
    throw invalid(info.kind, info.group, '', [
      { field: 'metadata.name', type: 'FieldValueRequired', message: 'Required value: name or generateName is required' },
    ]);
  for (let attempt = 1; ; attempt++) {
    const name = base.slice(0, GENERATED_BASE) + registry.rng.suffix(SUFFIX);
    try {
      return await storeOne(registry, call, prepared(registry, call, request, name), options);
    } catch (error) {
      if (!StatusError.is(error, 'AlreadyExists')) throw error;
      if (attempt === NAME_ATTEMPTS) throw noUniqueName(info, name);
    }
  }
}

/** What the kind's rules make of the object once its name is known: a Job's pods carry it. */
function prepared({ clock, rng }: Registry, { served }: Call, request: AdmissionRequest, name: string): AdmissionRequest {
  const named = { ...request.object!, metadata: { ...request.object!.metadata, name } };
  return { ...request, name, object: prepareForCreate(served.stored, named, clock.now(), rng) };
}

function noUniqueName(info: ResourceInfo, name: string): StatusError {
  const taken = alreadyExists(info.resource, info.group, name);
  return new StatusError({
    ...taken.status,
    message: `${taken.message}, the server was not able to generate a unique name for the object`,
  });
}

async function storeOne(registry: Registry, call: Call, request: AdmissionRequest, options: WriteOptions): Promise<Entry> {
  const { served } = call;
  const claim = registry.claims.get(served.cache.prefix)?.take(request.object!, undefined);
  try {
    const object = claim?.object ?? request.object!;
    checkValid(registry, served, object, validateCreate(served.stored, object));
    await validateAdmission(registry, { ...request, object, name: object.metadata.name! });
    const entry = await storeNew(registry, served, object, { dryRun: options.dryRun });
    if (options.dryRun) claim?.rollback();
    else claim?.commit();
    return entry;
  } catch (error) {
    claim?.rollback();
    if (error instanceof StorageError && error.code === 'KeyExists')
      throw alreadyExists(served.info.resource, served.info.group, request.object!.metadata.name!);
    throw error;
  }
}

/** Throws StatusError 422 for what validation found and the server does not let pass. */
export function checkValid({ tolerates }: Registry, { info }: ServedResource, object: KubeObject, found: readonly FieldError[]): void {
  if (found.length === 0) return;
  const errors = tolerates ? found.filter((error) => !tolerates(error)) : found;
  if (errors.length > 0) throw invalid(info.kind, info.group, object.metadata.name ?? '', errors);
}
