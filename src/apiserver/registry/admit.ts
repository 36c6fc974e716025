import type { KubeObject } from '../../api/meta.ts';
import type { AdmissionRequest, MutationRounds, RequestContext } from '../contract.ts';
import type { DeleteOptions } from './options.ts';
import type { Call, Registry } from './registry.ts';

export interface AdmissionSubject {
  operation: AdmissionRequest['operation'];
  object?: KubeObject;
  oldObject?: KubeObject;
  dryRun: boolean;
  options?: Readonly<Record<string, unknown>>;
  /** When it is not the URL that names the object. */
  name?: string;
  subresource?: string;
}

/** The plugins see a request as `context` and `served` tell it. */
export function admissionRequest({ context, served }: Call, subject: AdmissionSubject): AdmissionRequest {
  const { info, user } = context;
  return {
    operation: subject.operation,
    resource: served.info,
    subresource: subject.subresource ?? info.subresource,
    namespace: info.namespace,
    name: subject.name ?? info.name,
    ...(subject.object ? { object: subject.object } : {}),
    ...(subject.oldObject ? { oldObject: subject.oldObject } : {}),
    user,
    dryRun: subject.dryRun,
    options: subject.options ?? optionsOf(context, subject.operation),
    warn: (text) => context.warn(text),
    waiter: context,
    rounds: new Rounds(),
    annotate: (key, value) => context.annotate(key, value),
  };
}

const OPTIONS_VERSION = 'meta.k8s.io/v1';
const CREATE_OPTIONS = { kind: 'CreateOptions', apiVersion: OPTIONS_VERSION };
const UPDATE_OPTIONS = { kind: 'UpdateOptions', apiVersion: OPTIONS_VERSION };

/** What plugins are told of the query; a patch is an update to them. */
function optionsOf({ query }: RequestContext, operation: AdmissionRequest['operation']): Readonly<Record<string, unknown>> {
  const base = operation === 'CREATE' ? CREATE_OPTIONS : UPDATE_OPTIONS;
  if (query.size === 0) return base;
  const dryRun = query.getAll('dryRun').filter(Boolean);
  const given = { fieldManager: query.get('fieldManager'), fieldValidation: query.get('fieldValidation') };
  const texts = Object.entries(given).filter(([, value]) => value);
  return { ...base, ...(dryRun.length > 0 ? { dryRun } : {}), ...Object.fromEntries(texts) };
}

/** DeleteOptions as plugins are told of them. */
export function deleteOptionsFor({ dryRun, gracePeriodSeconds, propagationPolicy, preconditions }: DeleteOptions): Record<string, unknown> {
  return {
    kind: 'DeleteOptions',
    apiVersion: OPTIONS_VERSION,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(preconditions ? { preconditions } : {}),
    ...(propagationPolicy ? { propagationPolicy } : {}),
    ...(dryRun ? { dryRun: ['All'] } : {}),
  };
}

class Rounds implements MutationRounds {
  again = false;
  wanted = false;

  askForAnother(): void {
    this.wanted = true;
  }
}

/** The request with the object as the plugins leave it, after one more round where one asks for it. Throws StatusError when one refuses. */
export async function mutate({ admission }: Registry, request: AdmissionRequest): Promise<AdmissionRequest> {
  const once = await round(admission, request);
  const { rounds } = request;
  if (!(rounds instanceof Rounds) || !rounds.wanted) return once;
  rounds.again = true;
  return round(admission, once);
}

async function round(admission: Registry['admission'], request: AdmissionRequest): Promise<AdmissionRequest> {
  let now = request;
  for (const plugin of admission) {
    if (!plugin.mutate) continue;
    const given = plugin.mutate(now);
    const object = given instanceof Promise ? await given : given;
    if (object && object !== now.object) now = { ...now, object };
  }
  return now;
}

/** Throws StatusError when a plugin refuses. */
export async function validateAdmission({ admission }: Registry, request: AdmissionRequest): Promise<void> {
  for (const plugin of admission) {
    const waiting = plugin.validate?.(request);
    if (waiting) await waiting;
  }
}
