/**
 * What the stages of a request hand to each other. `pipeline.ts` is their order: authenticate, authorise, decode, admit, prepare and
 * validate, store. Each stage is declared here by its consumer, the pipeline.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { KubeObject } from '../api/meta.ts';
import type { ResourceInfo } from '../api/schema/schema.ts';
import type { UserInfo } from '../api/transport.ts';

export type Verb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  | 'proxy'
  | 'impersonate'
  | (string & {});

/** The URL, understood: upstream's RequestInfo. */
export interface RequestInfo {
  isResourceRequest: boolean;
  /** For non-resource requests the lower-case HTTP method. */
  verb: Verb;
  path: string;
  group: string;
  version: string;
  resource: string;
  subresource: string;
  namespace: string;
  name: string;
  /** What follows the subresource: the path behind `proxy`. */
  parts: readonly string[];
}

/** One request on its way, the same for TLS and loopback. */
export interface RequestContext {
  info: RequestInfo;
  method: string;
  query: URLSearchParams;
  headers: Readonly<IncomingHttpHeaders>;
  /** After authentication (and impersonation). */
  user: UserInfo;
  /** Before impersonation, when the request impersonated. */
  impersonator?: UserInfo;
  /** Warnings for the client: sent as `Warning: 299 - "…"` headers. */
  warn(text: string): void;
  /** A note for the audit event of this request; the first value of a key stays. Free when nothing is audited. */
  annotate(key: string, value: string): void;
  /** Aborts when the client went away or the request's deadline passed. */
  signal: AbortSignal;
  remoteAddress: string;
  /** The verified peer certificate's DER subject, where TLS was used and one was presented. */
  peer?: PeerCertificate;
}

export interface PeerCertificate {
  commonName: string;
  organizations: readonly string[];
  /** SHA-256 of the DER, hexadecimal in lower case. */
  fingerprint: string;
  /** Which client CA signed it. */
  issuer: 'client' | 'front-proxy';
}

/** undefined: these credentials are not mine; throws StatusError Unauthorized: they are, and they are bad. */
export type Authenticator = (request: Pick<RequestContext, 'headers' | 'peer'>) => UserInfo | undefined | Promise<UserInfo | undefined>;

export interface Attributes {
  user: UserInfo;
  info: RequestInfo;
}

/** Answers from memory; must be fast, it is asked for every request. `reason` is what upstream prints after "cannot … : ". */
export interface Authorizer {
  /** Why it is allowed, in upstream's words (`RBAC: allowed by …`); looked up anew each time. Empty where there is nothing to say. */
  explain?(attributes: Attributes): string;
  authorize(attributes: Attributes): { allowed: boolean; reason: string };
  /** The rules of a user in a namespace, for SelfSubjectRulesReview. */
  rulesFor(user: UserInfo, namespace: string): { resourceRules: ResourceRule[]; nonResourceRules: NonResourceRule[]; incomplete: boolean };
}

export interface ResourceRule {
  verbs: string[];
  apiGroups: string[];
  resources: string[];
  resourceNames: string[];
}

export interface NonResourceRule {
  verbs: string[];
  nonResourceURLs: string[];
}

/** What admission sees. `object` may be replaced by `mutate`. */
export interface AdmissionRequest {
  operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  resource: ResourceInfo;
  subresource: string;
  namespace: string;
  name: string;
  /** undefined for DELETE. */
  object?: KubeObject;
  oldObject?: KubeObject;
  user: UserInfo;
  dryRun: boolean;
  /** The CreateOptions, UpdateOptions or DeleteOptions of the request, kind and apiVersion included; empty for CONNECT. */
  options: Readonly<Record<string, unknown>>;
  warn(text: string): void;
  /** Whose signal ends the waiting of plugins that ask others; it is made only when read. */
  waiter?: { readonly signal: AbortSignal };
  /** The same for all calls of `mutate` for one request. */
  rounds?: MutationRounds;
  /** Notes for the audit event. */
  annotate?(key: string, value: string): void;
}

/**
 * All plugins mutate once. When a webhook or a policy that ran late has changed the object, it asks for one more round, so that those before it
 * see the change.
 */
export interface MutationRounds {
  /** This is the second round. */
  readonly again: boolean;
  askForAnother(): void;
}

/** One plugin a file in admission/; `admission/chain.ts` lists them in upstream's order. Both throw StatusError to refuse. */
export interface AdmissionPlugin {
  name: string;
  /** Returns the object to go on with. Called for all plugins first. */
  mutate?(request: AdmissionRequest): KubeObject | undefined | Promise<KubeObject | undefined>;
  /** Called after all mutation, on the final object. */
  validate?(request: AdmissionRequest): void | Promise<void>;
  /** The server stops. */
  stop?(): void;
}

/**
 * Reads and writes of the server's own parts (admission plugins, the authorizer, token checks) on what it stores. Reads come from the
 * watch cache without a copy: shared, read only. `subscribe` is told of every change after the cache holds it.
 */
export interface ObjectSource {
  get(resource: ResourceInfo, namespace: string, name: string): KubeObject | undefined;
  /** All of them, or one namespace's. */
  list(resource: ResourceInfo, namespace?: string): readonly KubeObject[];
  subscribe(resource: ResourceInfo, onChange: (object: KubeObject, previous: KubeObject | undefined, deleted: boolean) => void): () => void;
  /** Creates, bypassing authentication and admission (bootstrap objects). Throws StatusError. */
  create(resource: ResourceInfo, object: KubeObject): Promise<KubeObject>;
  /** Replaces with optimistic concurrency on metadata.resourceVersion when set. */
  update(resource: ResourceInfo, object: KubeObject): Promise<KubeObject>;
  /** As `update`, but of the status alone. */
  updateStatus(resource: ResourceInfo, object: KubeObject): Promise<KubeObject>;
  delete(resource: ResourceInfo, namespace: string, name: string): Promise<void>;
  /** Resolves when the reads above show every write that was acknowledged before the call: asked before something is called missing. */
  fresh(): Promise<void>;
}

/**
 * A part of the API that is not CRUD: discovery, OpenAPI, health, reviews, TokenRequest. `handlers.ts` lists them; the first whose
 * `match` is true answers. Authentication and authorisation have been done.
 */
export interface Handler {
  name: string;
  match(context: RequestContext): boolean;
  handle(context: RequestContext, body: BodyReader): Promise<HandlerResponse>;
}

/** The request's body, not read until asked for; throws StatusError 413 past `limit` bytes (3 MiB unless given), 400 when it is not JSON/YAML/protobuf as its type says. */
export interface BodyReader {
  bytes(limit?: number): Promise<Buffer>;
  /** The decoded JSON value; content types JSON and YAML. */
  json(): Promise<unknown>;
}

export type HandlerResponse =
  | { status: number; body: object; headers?: Readonly<Record<string, string>> } // a JSON value
  | { status: number; bytes: Buffer; contentType: string; headers?: Readonly<Record<string, string>> }
  | { status: number; stream: AsyncIterable<Uint8Array>; contentType: string; headers?: Readonly<Record<string, string>> };

/**
 * Requests that take the connection over or pass it on: exec, attach, port-forward, log with follow, proxy of pods, services and nodes.
 * Over TLS only. `socket` and `head` are given for upgrades. The handler owns the answer from here on.
 */
export interface StreamingHandler {
  match(context: RequestContext): boolean;
  handle(context: RequestContext, request: IncomingMessage, reply: StreamReply): Promise<void>;
}

export type StreamReply = { kind: 'upgrade'; socket: Duplex; head: Buffer } | { kind: 'response'; response: ServerResponse };

/** The resources that are served now, custom ones included. `generation` grows with every change, so that what is built from the list can be kept. */
export interface ResourceLookup {
  readonly generation: number;
  find(group: string, version: string, resource: string): ResourceInfo | undefined;
  all(): readonly ResourceInfo[];
}
