import type { UserInfo } from '../../api/transport.ts';
import type { PeerCertificate } from '../contract.ts';
import type { MemoryAuthenticator } from './credentials.ts';

/** By which credential somebody came, for audits (KEP-4193; of certificates since 1.32). */
const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id';

/** The holder of a certificate that the client CA signed: its common name is the user, its organisations are the groups. */
export function x509Authenticator(): MemoryAuthenticator {
  // One connection presents the same certificate with all its requests; the authorizer in turn remembers rules by UserInfo.
  const users = new WeakMap<PeerCertificate, UserInfo>();
  return ({ peer }) => {
    if (peer?.issuer !== 'client' || !peer.commonName) return undefined;
    let user = users.get(peer);
    if (!user) {
      user = { name: peer.commonName, groups: peer.organizations, extra: { [CREDENTIAL_ID]: [`X509SHA256=${peer.fingerprint}`] } };
      users.set(peer, user);
    }
    return user;
  };
}
