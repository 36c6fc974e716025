import type { IncomingHttpHeaders } from 'node:http';
import { statusError } from '../../api/status.ts';
import type { UserInfo } from '../../api/transport.ts';
import { forbiddenRequest } from '../authz/forbidden.ts';
import type { Authorizer, RequestInfo } from '../contract.ts';
import { extraFromHeaders, headerValues } from './headers.ts';
import { serviceAccountUser } from './service-account-tokens.ts';

/**
 * The user that a request asks to act as by its Impersonate-* headers; undefined when it asks for nobody.
 * Every part (user, groups, uid, extra) needs the verb `impersonate`; throws StatusError 403 where RBAC does not give it.
 */
export function impersonate(headers: Readonly<IncomingHttpHeaders>, user: UserInfo, authorizer: Authorizer): UserInfo | undefined {
  const name = headerValues(headers, 'impersonate-user')[0] ?? '';
  const groups = headerValues(headers, 'impersonate-group');
  const uid = headerValues(headers, 'impersonate-uid')[0] ?? '';
  const extra = extraFromHeaders(headers, 'impersonate-extra-');
  if (!name) {
    if (groups.length > 0 || uid || extra)
      throw statusError(
        'InternalError',
        'Internal error occurred: requested impersonation of groups, uid or extra without impersonating a user',
      );
    return undefined;
  }
  const check = (target: Partial<RequestInfo>): void => {
    const info: RequestInfo = { ...IMPERSONATION, ...target };
    const { allowed, reason } = authorizer.authorize({ user, info });
    if (!allowed) throw forbiddenRequest({ user, info }, reason);
  };

  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account) check({ resource: 'serviceaccounts', namespace: account[1]!, name: account[2]! });
  else check({ resource: 'users', name });
  for (const group of groups) check({ resource: 'groups', name: group });
  if (uid) check({ group: 'authentication.k8s.io', version: 'v1', resource: 'uids', name: uid });
  for (const [key, values] of Object.entries(extra ?? {})) {
    for (const value of values)
      check({ group: 'authentication.k8s.io', version: 'v1', resource: 'userextras', subresource: key, name: value });
  }
  return impersonated(name, groups, account ? serviceAccountUser(account[1]!, { name: account[2]! }).groups : [], {
    ...(uid ? { uid } : {}),
    ...(extra ? { extra } : {}),
  });
}

const IMPERSONATION: RequestInfo = {
  isResourceRequest: true,
  verb: 'impersonate',
  path: '',
  group: '',
  version: 'v1',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  parts: [],
};

function impersonated(
  name: string,
  asked: readonly string[],
  ofAccount: readonly string[],
  rest: Pick<UserInfo, 'uid' | 'extra'>,
): UserInfo {
  const groups = asked.length > 0 ? [...asked] : [...ofAccount];
  const membership = name === 'system:anonymous' ? 'system:unauthenticated' : 'system:authenticated';
  if (!groups.includes('system:authenticated') && !groups.includes(membership)) groups.push(membership);
  return { name, groups, ...rest };
}
