/**
 * Patches that say what the status is and nothing of the rest, as kubelets and controllers send them for every pod. Whatever else such a patch
 * would leave as it is need not be copied, decoded and compared: it is the live object's own (strategy/prepare.ts).
 */
import type { KubeObject } from '../../api/meta.ts';
import { isRecord } from '../../api/patch/json.ts';
import { isStoredForm } from '../../api/convert/convert.ts';
import type { Call } from './registry.ts';

const MERGING = ['application/merge-patch+json', 'application/strategic-merge-patch+json'];
const PARTS = ['apiVersion', 'kind', 'metadata', 'status'];

export function isStatusOnly({ context, served: { info }, body }: Call, patch: unknown): boolean {
  if (context.info.subresource !== 'status' || !MERGING.includes(body.contentType)) return false;
  // What other versions and custom kinds are converted and pruned by may look at the whole object.
  if (info.custom || !isStoredForm(info) || !isRecord(patch)) return false;
  const { metadata } = patch;
  const isPlain = (key: string): boolean => key !== 'managedFields' && !key.startsWith('$');
  if (metadata !== undefined && !(isRecord(metadata) && Object.keys(metadata).every(isPlain))) return false;
  return Object.keys(patch).every((key) => PARTS.includes(key));
}

/** What such a patch may change of the object: managedFields are the server's business. */
export function statusPart({ apiVersion, kind, metadata, status }: KubeObject & { status?: unknown }): KubeObject {
  const { managedFields: _kept, ...rest } = metadata;
  return { apiVersion, kind, metadata: rest, ...(status === undefined ? {} : { status }) };
}
