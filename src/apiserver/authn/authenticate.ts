import { statusError } from '../../api/status.ts';
import type { UserInfo } from '../../api/transport.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Credentials, MemoryAuthenticator } from './credentials.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';
import { frontProxyAuthenticator } from './front-proxy.ts';
import { x509Authenticator } from './x509.ts';

const ANONYMOUS: UserInfo = { name: 'system:anonymous', groups: ['system:unauthenticated'] };

export interface AuthenticateOptions {
  tokens: ServiceAccountTokens;
  bootstrapTokens: (token: string) => UserInfo | undefined;
  /** Common names that the front proxy's certificate may have; `front-proxy-client` unless given, none: any. */
  frontProxyNames?: readonly string[];
  /** Whether requests without credentials are let in as system:anonymous; true unless given. */
  anonymous?: boolean;
  log: Logger;
}

/**
 * Who sends a request. Throws StatusError 401 for credentials that are not good, and for none where nobody may be anonymous.
 * Everyone but the anonymous is in system:authenticated.
 */
export function createAuthenticator(options: AuthenticateOptions): (request: Credentials) => UserInfo {
  // Upstream's order: a front proxy speaks for others, so it is asked before its own certificate is taken for a user's.
  const chain = [frontProxyAuthenticator(options.frontProxyNames), x509Authenticator(), bearerAuthenticator(options)];
  const members = new WeakMap<UserInfo, UserInfo>();
  return (request) => {
    for (const authenticator of chain) {
      const user = authenticator(request);
      if (user) return authenticated(user, members);
    }
    if (options.anonymous === false) throw unauthorized();
    return ANONYMOUS;
  };
}

function authenticated(user: UserInfo, members: WeakMap<UserInfo, UserInfo>): UserInfo {
  if (user.groups.includes('system:authenticated')) return user;
  let member = members.get(user);
  if (!member) {
    member = { ...user, groups: [...user.groups, 'system:authenticated'] };
    members.set(user, member);
  }
  return member;
}

function bearerAuthenticator({ tokens, bootstrapTokens, log }: AuthenticateOptions): MemoryAuthenticator {
  return ({ headers }) => {
    const token = bearerToken(headers.authorization) ?? webSocketToken(headers['sec-websocket-protocol']);
    if (!token) return undefined;
    const user = verified(tokens, token, log) ?? bootstrapTokens(token);
    if (!user) throw unauthorized();
    return user;
  };
}

function verified(tokens: ServiceAccountTokens, token: string, log: Logger): UserInfo | undefined {
  try {
    return tokens.verify(token)?.user;
  } catch (error) {
    // Why a token is refused is for the operator; the client is told no more than upstream tells it.
    log.debug('refused a service account token', { reason: errorMessage(error) });
    throw unauthorized(error);
  }
}

function bearerToken(authorization: string | undefined): string | undefined {
  const match = /^bearer +(\S+) *$/i.exec(authorization ?? '');
  return match?.[1];
}

const WEBSOCKET_TOKEN_PREFIX = 'base64url.bearer.authorization.k8s.io.';

/** Browsers cannot set headers on WebSockets; they send the token as a sub-protocol. */
function webSocketToken(protocols: string | undefined): string | undefined {
  const protocol = protocols
    ?.split(',')
    .map((text) => text.trim())
    .find((text) => text.startsWith(WEBSOCKET_TOKEN_PREFIX));
  return protocol && Buffer.from(protocol.slice(WEBSOCKET_TOKEN_PREFIX.length), 'base64url').toString();
}

function unauthorized(cause?: unknown): Error {
  return statusError('Unauthorized', 'Unauthorized', undefined, cause);
}
