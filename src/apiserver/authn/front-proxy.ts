import type { IncomingHttpHeaders } from 'node:http';
import type { UserInfo } from '../../api/transport.ts';
import type { MemoryAuthenticator } from './credentials.ts';
import { extraFromHeaders, headerValues } from './headers.ts';

/**
 * A proxy in front of us (the aggregation layer of another API server) vouches for the user by X-Remote-* headers. It is believed only
 * with a certificate of the front-proxy CA whose common name is allowed.
 */
export function frontProxyAuthenticator(allowedNames: readonly string[] = ['front-proxy-client']): MemoryAuthenticator {
  return ({ headers, peer }) => {
    if (peer?.issuer !== 'front-proxy') return undefined;
    if (allowedNames.length > 0 && !allowedNames.includes(peer.commonName)) return undefined;
    return remoteUser(headers);
  };
}

function remoteUser(headers: Readonly<IncomingHttpHeaders>): UserInfo | undefined {
  const name = headerValues(headers, 'x-remote-user')[0];
  if (!name) return undefined;
  const extra = extraFromHeaders(headers, 'x-remote-extra-');
  const uid = headerValues(headers, 'x-remote-uid')[0];
  return { name, ...(uid ? { uid } : {}), groups: headerValues(headers, 'x-remote-group'), ...(extra ? { extra } : {}) };
}
