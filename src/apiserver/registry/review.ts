import { decodeObject } from '../../api/decode.ts';
import { groupVersion } from '../../api/meta.ts';
import { schemaOf } from '../../api/scheme.ts';
import { valueBody } from '../body.ts';
import type { RequestContext } from '../contract.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { isObject, writeOptions } from './options.ts';
import type { Registry } from './registry.ts';

/**
 * Decodes a review or a TokenRequest and asks the admission plugins about it. Resolves with it as they leave it. Throws StatusError when it is
 * malformed, or one refuses.
 */
export type AdmitReview = (context: RequestContext, review: unknown) => Promise<unknown>;

/** What is created without being stored is admitted like any creation. What is no object of the resource's kind is left to its handler. */
export function reviewAdmission(registry: Registry): AdmitReview {
  return async (context, review) => {
    const { group, version, resource, subresource } = context.info;
    const served = registry.resources.find(group, version, resource);
    const own = subresource ? served?.info.subresources.find(({ name }) => name === subresource) : served?.info;
    if (!served || !own || !isObject(review) || (review['kind'] ?? own.kind) !== own.kind) return review;
    const { fieldValidation, dryRun } = writeOptions(context, 'CreateOptions');
    const value = { ...review, kind: own.kind, apiVersion: review['apiVersion'] ?? groupVersion(own) };
    const { object, warnings } = decodeObject(value, schemaOf(own.group, own.version, own.kind)!, { fieldValidation });
    for (const warning of warnings) context.warn(warning);
    object.metadata ??= {};
    const subject = { operation: 'CREATE', object, dryRun } as const;
    const request = await mutate(registry, admissionRequest({ context, served, body: valueBody(review) }, subject));
    await validateAdmission(registry, request);
    return request.object;
  };
}
