import type { TLSSocket } from 'node:tls';

/** Why a request is refused, or undefined when it may pass. */
export interface Refusal {
  code: 401 | 403;
  message: string;
}

const API_SERVER = 'kube-apiserver-kubelet-client';
const ADMINS = 'system:masters';

/** Only the API server, and the cluster's admins, may speak to a kubelet; both are known by their client certificates. */
export function refusal(socket: TLSSocket, verb: string): Refusal | undefined {
  const subject = socket.authorized ? socket.getPeerCertificate().subject : undefined;
  const [name] = [subject?.CN ?? []].flat();
  if (!subject || !name) return { code: 401, message: 'Unauthorized' };
  const groups = [subject.O ?? []].flat();
  if (name === API_SERVER || groups.includes(ADMINS)) return undefined;
  return { code: 403, message: `Forbidden (user=${name}, verb=${verb}, resource=nodes, subresource(s)=[proxy])` };
}
