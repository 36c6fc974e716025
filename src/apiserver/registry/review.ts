import { groupVersion, type KubeObject } from '../../api/meta.ts';
import { valueBody } from '../body.ts';
import type { RequestContext } from '../contract.ts';
import { admissionRequest, mutate, validateAdmission } from './admit.ts';
import { isObject } from './options.ts';
import type { Registry } from './registry.ts';

/** Asks the admission plugins about a review or a TokenRequest. Resolves with it as they leave it. Throws StatusError when one refuses. */
export type AdmitReview = (context: RequestContext, review: unknown) => Promise<unknown>;

/** What is created without being stored is admitted like any creation. What is no object of the resource's kind is left to its handler. */
export function reviewAdmission(registry: Registry): AdmitReview {
  return async (context, review) => {
    const { group, version, resource, subresource } = context.info;
    const served = registry.resources.find(group, version, resource);
    const own = subresource ? served?.info.subresources.find(({ name }) => name === subresource) : served?.info;
    if (!served || !own || !isObject(review) || (review['kind'] ?? own.kind) !== own.kind) return review;
    const object: KubeObject = { kind: own.kind, apiVersion: groupVersion(own), metadata: {}, ...review };
    const subject = { operation: 'CREATE', object, dryRun: context.query.getAll('dryRun').includes('All') } as const;
    const request = await mutate(registry, admissionRequest({ context, served, body: valueBody(review) }, subject));
    await validateAdmission(registry, request);
    return request.object === object ? review : request.object;
  };
}
