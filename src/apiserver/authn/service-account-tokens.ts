/**
 * Service account tokens: issued by TokenRequest, verified on every request that carries one. A token is bound to objects; it dies with
 * them (KEP-1205). Claims are upstream's.
 */
import type { Node, Pod, Secret, ServiceAccount } from '../../api/types.gen.ts';
import type { ObjectWithMeta } from '../../api/meta.ts';
import type { UserInfo } from '../../api/transport.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Rng } from '../../lib/random.ts';
import type { StoredObjects } from '../stored.ts';
import { stored } from '../stored.ts';
import type { SigningKey, VerificationKey } from './jwt.ts';
import { parseJwt, signJwt, verifySignature } from './jwt.ts';
import { legacyTokenUse } from './legacy-token-use.ts';

const LEGACY_ISSUER = 'kubernetes/serviceaccount';
const LEGACY_SECRET_TYPE = 'kubernetes.io/service-account-token';
/** An object in deletion keeps its tokens this long, so that a pod can still say goodbye. */
const DELETION_GRACE_MS = 60_000;
const CACHED_SIGNATURES = 2048;

export interface ServiceAccountTokenOptions extends StoredObjects {
  /** The first signs; all verify. */
  signingKey: SigningKey;
  /** Further keys whose tokens are accepted. */
  verificationKeys?: readonly VerificationKey[];
  /** `https://kubernetes.default.svc.cluster.local`; the first is written into tokens, all are accepted. */
  issuers: readonly string[];
  /** What the API server answers to; the issuers unless given. */
  apiAudiences?: readonly string[];
  clock: Clock;
  rng: Rng;
  log: Logger;
}

export interface BoundObject {
  name: string;
  uid: string;
}

export interface IssueRequest {
  namespace: string;
  serviceAccount: BoundObject;
  audiences: readonly string[];
  expirationSeconds: number;
  pod?: BoundObject;
  secret?: BoundObject;
  node?: BoundObject;
  /** Seconds after which use of the token is a warning: set for tokens whose life was extended. */
  warnAfterSeconds?: number;
}

export interface VerifiedToken {
  user: UserInfo;
  /** Those of the audiences asked for that the token has. */
  audiences: string[];
}

export interface ServiceAccountTokens {
  readonly issuer: string;
  readonly apiAudiences: readonly string[];
  readonly keys: readonly VerificationKey[];
  issue(request: IssueRequest): string;
  /** A token that lives as long as the Secret that holds it. */
  issueLegacy(namespace: string, serviceAccount: BoundObject, secretName: string): string;
  /**
   * undefined: not a service account token of ours. Throws an Error that says why a token of ours is not good (any more).
   * `audiences` are the API server's unless given.
   */
  verify(token: string, audiences?: readonly string[]): VerifiedToken | undefined;
}

interface Claims {
  iss?: string;
  sub?: string;
  aud?: string | string[];
  exp?: number;
  nbf?: number;
  jti?: string;
  'kubernetes.io'?: {
    namespace: string;
    serviceaccount: BoundObject;
    pod?: BoundObject;
    secret?: BoundObject;
    node?: BoundObject;
    warnafter?: number;
  };
  'kubernetes.io/serviceaccount/namespace'?: string;
  'kubernetes.io/serviceaccount/secret.name'?: string;
  'kubernetes.io/serviceaccount/service-account.name'?: string;
  'kubernetes.io/serviceaccount/service-account.uid'?: string;
}

export function createServiceAccountTokens(options: ServiceAccountTokenOptions): ServiceAccountTokens {
  const { issuers, clock } = options;
  const issuer = issuers[0]!;
  const apiAudiences = options.apiAudiences ?? issuers;
  const keys = [options.signingKey.verification, ...(options.verificationKeys ?? [])];
  const read = rememberSignatures(keys);
  const bound = boundObjects(options);

  return {
    issuer,
    apiAudiences,
    keys,
    issue: (request) => signJwt(options.signingKey, claimsOf(request, issuer, Math.floor(clock.now() / 1000), options.rng.uuid())),
    issueLegacy: (namespace, account, secretName) => signJwt(options.signingKey, legacyClaims(namespace, account, secretName)),
    verify: (token, audiences = apiAudiences) => {
      const claims = read(token, (iss) => iss === LEGACY_ISSUER || issuers.includes(iss));
      if (!claims) return undefined;
      if (claims.iss === LEGACY_ISSUER) return { user: bound.checkLegacy(claims, token), audiences: matching(apiAudiences, audiences) };
      const seconds = clock.now() / 1000;
      if (seconds > (claims.exp ?? 0)) throw new Error('service account token has expired');
      if (seconds + 10 < (claims.nbf ?? 0)) throw new Error('service account token is not valid yet');
      const own = typeof claims.aud === 'string' ? [claims.aud] : (claims.aud ?? []);
      const common = matching(own, audiences);
      if (common.length === 0)
        throw new Error(`token audiences ${JSON.stringify(own)} is invalid for the target audiences ${JSON.stringify(audiences)}`);
      return { user: bound.check(claims), audiences: common };
    },
  };
}

const matching = (own: readonly string[], wanted: readonly string[]): string[] => own.filter((audience) => wanted.includes(audience));

function claimsOf(request: IssueRequest, issuer: string, now: number, jti: string): object {
  const { namespace, serviceAccount, pod, secret, node, warnAfterSeconds } = request;
  return {
    aud: request.audiences,
    exp: now + request.expirationSeconds,
    iat: now,
    iss: issuer,
    jti,
    'kubernetes.io': {
      namespace,
      ...(node ? { node } : {}),
      ...(pod ? { pod } : {}),
      ...(secret ? { secret } : {}),
      serviceaccount: serviceAccount,
      ...(warnAfterSeconds === undefined ? {} : { warnafter: now + warnAfterSeconds }),
    },
    nbf: now,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
  };
}

/** A token without end, kept in a Secret: what accounts had before TokenRequest, and still may ask for. */
function legacyClaims(namespace: string, { name, uid }: BoundObject, secretName: string): object {
  return {
    iss: LEGACY_ISSUER,
    'kubernetes.io/serviceaccount/namespace': namespace,
    'kubernetes.io/serviceaccount/secret.name': secretName,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid,
    sub: `system:serviceaccount:${namespace}:${name}`,
  };
}

/**
 * Reads tokens of the issuers that are `ours`; undefined for others. A signature is checked once: the same token comes with every request of
 * its pod. What the token is bound to is checked every time.
 */
function rememberSignatures(keys: readonly VerificationKey[]): (token: string, ours: (issuer: string) => boolean) => Claims | undefined {
  const good = new Map<string, Claims>();
  return (token, ours) => {
    const known = good.get(token);
    if (known) return known;
    const jwt = parseJwt<Claims>(token);
    if (!jwt || !ours(jwt.claims.iss ?? '')) return undefined;
    if (!verifySignature(token, jwt.header, keys)) throw new Error('invalid signature');
    if (good.size >= CACHED_SIGNATURES) good.delete(good.keys().next().value!);
    good.set(token, jwt.claims);
    return jwt.claims;
  };
}

/** The checks that what a token is bound to still exists, with the uid that it had. */
function boundObjects(options: ServiceAccountTokenOptions): {
  check(claims: Claims): UserInfo;
  checkLegacy(claims: Claims, token: string): UserInfo;
} {
  const accounts = stored<ServiceAccount>(options, '', 'v1', 'serviceaccounts');
  const pods = stored<Pod>(options, '', 'v1', 'pods');
  const secrets = stored<Secret>(options, '', 'v1', 'secrets');
  const nodes = stored<Node>(options, '', 'v1', 'nodes');
  const used = legacyTokenUse(options);

  const mustLive = (what: string, object: ObjectWithMeta | undefined, uid: string | undefined): void => {
    if (!object || object.metadata.uid !== uid) throw new Error(`${what} has been deleted`);
    const deleted = object.metadata.deletionTimestamp;
    if (deleted && Date.parse(deleted) + DELETION_GRACE_MS < options.clock.now()) throw new Error(`${what} has been deleted`);
  };

  return {
    check(claims) {
      const bound = claims['kubernetes.io'];
      if (!bound?.namespace || !bound.serviceaccount?.name) throw new Error('token has no kubernetes.io claims');
      const { namespace, serviceaccount, pod, secret, node } = bound;
      if (claims.sub !== `system:serviceaccount:${namespace}:${serviceaccount.name}`)
        throw new Error('token subject does not match its claims');
      mustLive('service account', accounts.get(namespace, serviceaccount.name), serviceaccount.uid);
      if (pod) mustLive('pod', pods.get(namespace, pod.name), pod.uid);
      if (secret) mustLive('secret', secrets.get(namespace, secret.name), secret.uid);
      // A token that is bound to a pod only mentions its node; one that is bound to a node dies with it.
      if (node && !pod) mustLive('node', nodes.get('', node.name), node.uid);
      return serviceAccountUser(namespace, serviceaccount, extraOf(claims));
    },
    checkLegacy(claims, token) {
      const namespace = claims['kubernetes.io/serviceaccount/namespace'] ?? '';
      const name = claims['kubernetes.io/serviceaccount/service-account.name'] ?? '';
      const uid = claims['kubernetes.io/serviceaccount/service-account.uid'] ?? '';
      const secret = secrets.get(namespace, claims['kubernetes.io/serviceaccount/secret.name'] ?? '');
      const held = secret?.type === LEGACY_SECRET_TYPE ? secret.data?.['token'] : undefined;
      if (!held || Buffer.from(held, 'base64').toString() !== token) throw new Error("token doesn't match server's copy");
      mustLive('service account', accounts.get(namespace, name), uid);
      used(secret!);
      return serviceAccountUser(namespace, { name, uid });
    },
  };
}

/** The identity of a service account: upstream's user name and groups. */
export function serviceAccountUser(namespace: string, { name, uid }: { name: string; uid?: string }, extra?: UserInfo['extra']): UserInfo {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    ...(uid ? { uid } : {}),
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    ...(extra ? { extra } : {}),
  };
}

function extraOf(claims: Claims): UserInfo['extra'] {
  const extra: Record<string, string[]> = {};
  const bound = claims['kubernetes.io']!;
  if (claims.jti) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${claims.jti}`];
  if (bound.node) {
    extra['authentication.kubernetes.io/node-name'] = [bound.node.name];
    if (bound.node.uid) extra['authentication.kubernetes.io/node-uid'] = [bound.node.uid];
  }
  if (bound.pod) {
    extra['authentication.kubernetes.io/pod-name'] = [bound.pod.name];
    extra['authentication.kubernetes.io/pod-uid'] = [bound.pod.uid];
  }
  return extra;
}
