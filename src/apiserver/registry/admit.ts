import type { KubeObject } from '../../api/meta.ts';
import type { AdmissionRequest } from '../contract.ts';
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
    options: subject.options ?? {},
    warn: (text) => context.warn(text),
  };
}

/** The object as the plugins leave it. Throws StatusError when one refuses. */
export async function mutate({ admission }: Registry, request: AdmissionRequest): Promise<AdmissionRequest> {
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
