/** admission.k8s.io AdmissionReview, v1 and v1beta1: the question put to a webhook, and what may be answered. */
import type { ResourceInfo } from '../../../api/schema/schema.ts';
import type { Status } from '../../../api/types.gen.ts';
import type { UserInfo } from '../../../api/transport.ts';
import type { AdmissionRequest } from '../../contract.ts';
import { kindOf } from '../matching/versions.ts';
import type { Invocation } from './invocation.ts';

/** The versions that we speak, the best first. */
const VERSIONS: readonly string[] = ['v1', 'v1beta1'];
const GROUP = 'admission.k8s.io';

export interface Review {
  kind: 'AdmissionReview';
  apiVersion: string;
  request: Readonly<Record<string, unknown>> & { uid: string };
}

/** What a webhook made of a request. `patch` is the text of a JSON patch. */
export interface Verdict {
  allowed: boolean;
  status?: Partial<Status>;
  patch?: string;
  warnings: readonly string[];
  auditAnnotations: Readonly<Record<string, string>>;
}

/** Throws Error when the webhook knows none of our versions. */
export function reviewOf(request: AdmissionRequest, { hook, matched, objects }: Invocation, uid: string): Review {
  const version = hook.webhook.admissionReviewVersions.find((each) => VERSIONS.includes(each));
  if (!version) throw new Error(`webhook does not accept known AdmissionReview versions (${VERSIONS.join(', ')})`);
  const { subresource, name, namespace, operation, dryRun, options, resource } = request;
  return {
    kind: 'AdmissionReview',
    apiVersion: `${GROUP}/${version}`,
    request: {
      uid,
      kind: kindOf(matched, subresource),
      resource: resourceOf(matched),
      ...(subresource ? { subResource: subresource } : {}),
      requestKind: kindOf(resource, subresource),
      requestResource: resourceOf(resource),
      ...(subresource ? { requestSubResource: subresource } : {}),
      ...(name ? { name } : {}),
      ...(namespace ? { namespace } : {}),
      operation,
      userInfo: userOf(request.user),
      object: objects.object ?? null,
      oldObject: objects.oldObject ?? null,
      dryRun,
      options: Object.keys(options).length > 0 ? options : null,
    },
  };
}

function resourceOf({ group, version, resource }: ResourceInfo): object {
  return { group, version, resource };
}

function userOf({ name, uid, groups, extra }: UserInfo): object {
  return {
    ...(name ? { username: name } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(extra ? { extra } : {}),
  };
}

/** Throws Error, in upstream's words, for an answer that a webhook may not give (VerifyAdmissionResponse). */
export function verdictOf(answer: unknown, asked: Review, mutating: boolean): Verdict {
  const review = (isRecord(answer) ? answer : {}) as { kind?: unknown; apiVersion?: unknown; response?: unknown };
  const { response } = review;
  checkType(review, asked);
  if (!isRecord(response)) throw new Error('webhook response was absent');
  if (asked.apiVersion === `${GROUP}/v1`) checkResponse(response, asked.request.uid, mutating);
  return {
    allowed: response['allowed'] === true,
    ...(isRecord(response['status']) ? { status: response['status'] } : {}),
    ...(mutating && isText(response['patch']) ? { patch: Buffer.from(response['patch'], 'base64').toString() } : {}),
    warnings: Array.isArray(response['warnings']) ? response['warnings'].filter((each) => typeof each === 'string') : [],
    auditAnnotations: isRecord(response['auditAnnotations']) ? (response['auditAnnotations'] as Record<string, string>) : {},
  };
}

/** The older version need not name its type. */
function checkType({ kind, apiVersion }: { kind?: unknown; apiVersion?: unknown }, asked: Review): void {
  if (kind === undefined && apiVersion === undefined && asked.apiVersion === `${GROUP}/v1beta1`) return;
  if (kind === asked.kind && apiVersion === asked.apiVersion) return;
  const given = typeof apiVersion === 'string' ? apiVersion : '';
  throw new Error(
    `expected webhook response of ${asked.apiVersion}, Kind=${asked.kind}, got ${given}, Kind=${typeof kind === 'string' ? kind : ''}`,
  );
}

function checkResponse(response: Readonly<Record<string, unknown>>, uid: string, mutating: boolean): void {
  const { patch, patchType } = response;
  if (response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`);
  const hasType = patchType !== undefined && patchType !== null;
  if (!mutating) {
    if (isText(patch)) throw new Error('validating webhook may not return response.patch');
    if (hasType) throw new Error('validating webhook may not return response.patchType');
    return;
  }
  if (isText(patch) && !hasType) throw new Error('webhook returned response.patch but not response.patchType');
  if (!isText(patch) && hasType) throw new Error('webhook returned response.patchType but not response.patch');
  if (hasType && patchType !== 'JSONPatch') throw new Error(`webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
