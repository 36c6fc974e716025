/** What the reviews share: they are created, answered in the same breath, and never stored. */
import { statusError } from '../../api/status.ts';
import type { BodyReader, Handler, HandlerResponse, RequestContext } from '../contract.ts';

/** A review in any version: the fields are the same in all that are served. */
export interface Review<Spec> {
  apiVersion?: string;
  kind?: string;
  metadata?: Record<string, unknown>;
  spec?: Spec;
}

/** A handler for `POST` of one kind of review; `answer` gives its status. */
export function reviewHandler<Spec>(
  group: string,
  resource: string,
  kind: string,
  answer: (spec: Spec, context: RequestContext) => object,
): Handler {
  return {
    name: resource,
    match: ({ info }) => info.isResourceRequest && info.group === group && info.resource === resource && info.verb === 'create',
    handle: async (context, body) => {
      const review = await readReview<Spec>(body, kind);
      const status = answer(review.spec ?? ({} as Spec), context);
      return created(context, kind, { ...review, status });
    },
  };
}

/** 201 with the object in the version that was asked for. */
export function created(
  { info }: RequestContext,
  kind: string,
  review: Review<unknown> & { status: object },
  group = info.group,
  version = info.version,
): HandlerResponse {
  const { metadata, spec, status } = review;
  const body = {
    kind,
    apiVersion: group ? `${group}/${version}` : version,
    metadata: { creationTimestamp: null, ...metadata },
    ...(spec === undefined ? {} : { spec }),
    status,
  };
  return { status: 201, body };
}

/** Throws StatusError 400 when the body is no object of this kind. An empty body is an empty review. */
export async function readReview<Spec>(body: BodyReader, kind: string): Promise<Review<Spec>> {
  const value = await body.json();
  if (value === undefined || value === null) return {};
  const review = value as Review<Spec>;
  if (typeof value !== 'object' || Array.isArray(value))
    throw statusError('BadRequest', `the body of the request must be an object of kind ${kind}`);
  if (review.kind && review.kind !== kind)
    throw statusError('BadRequest', `${review.kind} in version "${review.apiVersion}" cannot be handled as a ${kind}`);
  return review;
}
