import { microTimestamp } from '../../api/time.ts';
import { StatusError } from '../../api/status.ts';
import type { Status } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { streamBody, type RequestBody } from '../body.ts';
import type { RequestContext } from '../contract.ts';
import { isOurFault } from '../errors.ts';
import { auditUser, objectRef, sourceIps, withoutManagedFields, type AuditEvent } from './event.ts';
import type { AuditDecision, AuditPolicy, Stage } from './policy.ts';

/** Where events go. `write` must not block and not throw. */
export interface AuditSink {
  write(event: AuditEvent): void;
  /** Resolves when everything that was written is where it belongs. */
  close(): Promise<void>;
}

export interface AuditOptions {
  policy: AuditPolicy;
  sink: AuditSink;
}

/** A request as its audit sees it. */
export interface AuditedRequest extends Pick<RequestContext, 'info' | 'user' | 'headers' | 'remoteAddress'> {
  readonly auditId: string;
  /** Path and query as they came. */
  readonly url: string;
}

/**
 * What is written down of one request, from its authentication to its end (upstream's stages):
 *
 *     RequestReceived --(a watch or a stream: ResponseStarted)--> ResponseComplete | Panic
 */
export class Auditor {
  readonly #options: AuditOptions & { clock: Clock; log: Logger };

  constructor(options: AuditOptions & { clock: Clock; log: Logger }) {
    this.#options = options;
  }

  /** Call it when the user is known, before impersonation. Nothing is kept of a request that the policy leaves out. */
  begin(request: AuditedRequest): RequestAudit | undefined {
    const decision = this.#options.policy.decide(request);
    if (decision.level === 'None') return undefined;
    const audit = new RequestAudit(request, decision, this.#options);
    audit.stage('RequestReceived');
    return audit;
  }

  /** A request whose credentials were refused. */
  unauthenticated(request: AuditedRequest, status: StatusError): void {
    const decision = this.#options.policy.decide(request);
    if (decision.level === 'None') return;
    const bearer = /^bearer /i.test(request.headers.authorization ?? '');
    const audit = new RequestAudit(request, decision, this.#options);
    audit.refuse({
      ...status.status,
      message: bearer ? 'Authentication failed, attempted: bearer' : 'Authentication failed, attempted: x509',
    });
  }
}

type ResponseStatus = NonNullable<AuditEvent['responseStatus']>;

export class RequestAudit {
  readonly #request: AuditedRequest;
  readonly #user: UserInfo;
  readonly #decision: AuditDecision;
  readonly #options: AuditOptions & { clock: Clock; log: Logger };
  readonly #received: string;
  readonly #annotations = new Map<string, string>();
  #impersonated: UserInfo | undefined;
  #body: { body: RequestBody; read: boolean } | undefined;
  #requestObject: unknown;
  #responseObject: unknown;
  #status: Status | undefined;
  #failed: unknown;
  #panicked: unknown;
  #completed = false;

  constructor(request: AuditedRequest, decision: AuditDecision, options: AuditOptions & { clock: Clock; log: Logger }) {
    this.#request = request;
    this.#user = request.user;
    this.#decision = decision;
    this.#options = options;
    this.#received = microTimestamp(options.clock.now());
  }

  /** The first value of a key stays, as upstream's. */
  annotate(key: string, value: string): void {
    if (!this.#annotations.has(key)) this.#annotations.set(key, value);
  }

  impersonates(user: UserInfo): void {
    this.#impersonated = user;
  }

  /** The same body; what its reader gets of it is looked at once more when the request is over. */
  reading(body: RequestBody): RequestBody {
    const kept = { body, read: false };
    this.#body = kept;
    const { contentType, inProcess } = body;
    return {
      contentType,
      inProcess,
      bytes: (limit) => ((kept.read = true), body.bytes(limit)),
      json: () => ((kept.read = true), body.json()),
    };
  }

  /** What the client is told. A Status is noted at every level, another object only where responses are kept. */
  answered(object: unknown): void {
    if ((object as { kind?: unknown } | undefined)?.kind === 'Status') this.#status = object as Status;
    if (this.#decision.level === 'RequestResponse') this.#responseObject = object;
  }

  failed(error: unknown, { status }: StatusError): void {
    this.answered(status);
    this.#failed = error;
    if (isOurFault(error) && !(error instanceof StatusError)) this.#panicked = error;
  }

  /** A watch or stream has begun. */
  started(code: number): void {
    if (this.#failed === undefined) this.#emit('ResponseStarted', { metadata: {}, code });
  }

  /** The answer is over. Harmless when said twice. */
  complete(code: number): void {
    if (this.#completed) return;
    this.#completed = true;
    this.#finish(code).catch((error: unknown) => this.#options.log.warn('an audit event could not be made', { error }));
  }

  /** For Auditor: an event of its own stage alone. */
  stage(stage: Stage): void {
    this.#emit(stage);
  }

  refuse(status: Status): void {
    this.#emit('ResponseStarted', responseStatus(status.code ?? 401, status));
  }

  async #finish(code: number): Promise<void> {
    if (this.#wantsBody()) this.#requestObject = await readAgain(this.#body!.body);
    if (this.#panicked === undefined) return this.#emit('ResponseComplete', responseStatus(this.#status?.code ?? code, this.#status));
    this.#emit('Panic', {
      metadata: {},
      status: 'Failure',
      message: `APIServer panic'd: ${errorMessage(this.#panicked)}`,
      reason: 'InternalError',
      code,
    });
  }

  /** Metadata needs it too where the URL does not name the object. */
  #wantsBody(): boolean {
    const { level } = this.#decision;
    return this.#body?.read === true && (level !== 'Metadata' || this.#request.info.name === '');
  }

  #emit(stage: Stage, status?: ResponseStatus): void {
    const { level, omitStages, omitManagedFields } = this.#decision;
    if (omitStages.includes(stage)) return;
    const { info, auditId, url, headers, remoteAddress } = this.#request;
    const shown = (object: unknown): unknown => (omitManagedFields ? withoutManagedFields(object) : object);
    const isPatch = info.verb === 'patch';
    const ref = objectRef(info, isPatch ? undefined : this.#requestObject);
    const agent = headers['user-agent'];
    this.#options.sink.write({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: auditId,
      stage,
      requestURI: url,
      verb: info.verb,
      user: auditUser(this.#user),
      ...(this.#impersonated ? { impersonatedUser: auditUser(this.#impersonated) } : {}),
      sourceIPs: sourceIps(headers, remoteAddress),
      ...(agent ? { userAgent: agent } : {}),
      ...(ref ? { objectRef: ref } : {}),
      ...(status ? { responseStatus: status } : {}),
      ...(level !== 'Metadata' && this.#requestObject !== undefined ? { requestObject: shown(this.#requestObject) } : {}),
      ...(this.#responseObject === undefined ? {} : { responseObject: shown(this.#responseObject) }),
      requestReceivedTimestamp: this.#received,
      stageTimestamp: microTimestamp(this.#options.clock.now()),
      ...(this.#annotations.size > 0
        ? { annotations: Object.fromEntries([...this.#annotations].toSorted(([a], [b]) => (a < b ? -1 : 1))) }
        : {}),
    });
  }
}

function responseStatus(code: number, status: Status | undefined): ResponseStatus {
  if (!status) return { metadata: {}, code };
  const { message, reason, details } = status;
  return {
    metadata: {},
    ...(status.status ? { status: status.status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    code,
  };
}

/** What was read of the body, as a value of its own: the one that the verbs had was theirs to change. undefined for what is no object. */
async function readAgain(body: RequestBody): Promise<unknown> {
  try {
    const bytes = await body.bytes();
    return await streamBody(body.contentType, () => Promise.resolve(bytes)).json();
  } catch (error) {
    // The client has been told already what is wrong with its body.
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}
