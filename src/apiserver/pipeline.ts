import type { UserInfo } from '../api/transport.ts';
import type { Auditor } from './audit/audit.ts';
import { auditedAnswer } from './audit/answer.ts';
import type { RequestBody } from './body.ts';
import { withInfo, type Request } from './context.ts';
import type { Authorizer, Handler, HandlerResponse, RequestContext } from './contract.ts';
import { notFoundPage } from './errors.ts';
import type { RemoteApis } from './aggregation/proxy.ts';
import type { Call, Registry, Result } from './registry/registry.ts';
import { carryOut, notServed } from './registry/verbs.ts';

/** What a request is answered with, before it is written. */
export type Answer = Result | { kind: 'response'; response: HandlerResponse };

export interface Pipeline {
  registry: Registry;
  /** Throws StatusError 401. Not asked for loopback requests, whose user is given. */
  authenticate: (request: Pick<RequestContext, 'headers' | 'peer'>) => UserInfo | Promise<UserInfo>;
  /** The user that the request speaks for, if it asks to and may. Throws StatusError 403. */
  impersonate: (request: Pick<RequestContext, 'headers' | 'user'>) => UserInfo | undefined;
  authorizer: Authorizer;
  /** Throws what a refused request is told. */
  forbid: (context: RequestContext, reason: string) => Error;
  handlers: readonly Handler[];
  /** Writes down what a policy asks for. */
  audit?: Auditor;
  /** What parts of this process answer that is not stored; undefined: nobody does. */
  answerLocally: (context: RequestContext) => Promise<Result> | undefined;
  /** What is served by other API servers, for requests of this process; over TLS it is a stream. */
  remote: RemoteApis;
  /** Resolves when the cache holds the store's objects: authentication and authorisation read them. */
  loaded?: Promise<void>;
}

/**
 * The order of a request. Decoding, admission, defaults, validation and storing follow inside of the verbs (registry/): their order is
 * that of `registry/create.ts` and `registry/update.ts`.
 */
export async function serve(pipeline: Pipeline, request: Request, body: RequestBody): Promise<Answer> {
  await authenticated(pipeline, request); // who is it? Nothing else is told to those who cannot say
  authorized(pipeline, request); // may they? Before anything is looked up, so that names cannot be probed
  if (!request.audit) return answer(pipeline, request, body);
  const given = await answer(pipeline, request, request.audit.reading(body)); // what was asked and answered, if somebody wants to know
  auditedAnswer(request.audit, given);
  return given;
}

async function answer(pipeline: Pipeline, request: Request, body: RequestBody): Promise<Answer> {
  const handled = await ownHandler(pipeline, request, body); // reviews, discovery and health before CRUD: some are subresources
  return handled ?? pipeline.answerLocally(request) ?? carryOut(pipeline.registry, resourceCall(pipeline, request, body));
}

/** Sets the user of a request that came over TLS. */
export async function authenticated(pipeline: Pipeline, request: Request): Promise<void> {
  await pipeline.loaded;
  if (request.user.name !== '') return;
  request.user = await pipeline.authenticate(request);
  beginAudit(pipeline, request);
  const speaksFor = pipeline.impersonate(request);
  if (!speaksFor) return;
  request.impersonator = request.user;
  request.user = speaksFor;
  request.audit?.impersonates(speaksFor);
}

export function authorized(pipeline: Pipeline, request: Request): void {
  beginAudit(pipeline, request);
  const { authorizer, forbid } = pipeline;
  const { allowed, reason } = authorizer.authorize(request);
  if (request.audit) {
    request.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
    request.annotate('authorization.k8s.io/reason', allowed ? (authorizer.explain?.(request) ?? '') : reason);
  }
  if (!allowed) throw forbid(request, reason);
}

/** Once, with the user who really asks: before impersonation. */
function beginAudit({ audit }: Pipeline, request: Request): void {
  if (!audit || request.auditDecided) return;
  request.auditDecided = true;
  request.audit = audit.begin(request);
}

async function ownHandler({ handlers }: Pipeline, request: Request, body: RequestBody): Promise<Answer | undefined> {
  const handler = handlers.find((candidate) => candidate.match(request));
  return handler && { kind: 'response', response: await handler.handle(request, body) };
}

function resourceCall({ registry: { resources } }: Pipeline, context: Request, body: RequestBody): Call {
  const { info } = context;
  if (!info.isResourceRequest) throw notFoundPage();
  // A Binding may be posted to its own collection, the older road; what it binds are pods.
  const isBinding = info.group === '' && info.resource === 'bindings' && info.verb === 'create';
  if (isBinding)
    return {
      context: withInfo(context, { ...info, resource: 'pods', subresource: 'binding', name: '' }),
      served: resources.must('', 'v1', 'pods'),
      body,
    };
  const served = resources.find(info.group, info.version, info.resource);
  // What is never stored can at most be read (componentstatuses); reviews have had their handlers.
  if (served && (served.info.storagePrefix !== '' || served.info.verbs.includes('list'))) return { context, served, body };
  throw served || resources.hasGroupVersion(info.group, info.version) ? notServed() : notFoundPage();
}
