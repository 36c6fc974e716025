import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { UserInfo } from '../../api/transport.ts';

/** A CertificateSigningRequest says who made it, and only the server may say so. Other kinds are left as they are. */
export function stampRequester({ group, resource }: ResourceInfo, object: KubeObject, { name, uid, groups, extra }: UserInfo): KubeObject {
  if (group !== 'certificates.k8s.io' || resource !== 'certificatesigningrequests') return object;
  const spec: Record<string, unknown> = { ...(object['spec'] as object | undefined), username: name, groups: [...groups] };
  // What the requester does not have may not be claimed either.
  if (uid) spec['uid'] = uid;
  else delete spec['uid'];
  if (extra) spec['extra'] = extra;
  else delete spec['extra'];
  return { ...object, spec };
}
