import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo } from '../../api/schema/schema.ts';
import type { UserInfo } from '../../api/transport.ts';

/** A CertificateSigningRequest says who made it, and only the server may say so. Other kinds are left as they are. */
export function stampRequester({ group, resource }: ResourceInfo, object: KubeObject, { name, uid, groups, extra }: UserInfo): KubeObject {
  if (group !== 'certificates.k8s.io' || resource !== 'certificatesigningrequests') return object;
  const spec = {
    ...(object['spec'] as object | undefined),
    username: name,
    groups: [...groups],
    ...(uid ? { uid } : {}),
    ...(extra ? { extra } : {}),
  };
  return { ...object, spec };
}
