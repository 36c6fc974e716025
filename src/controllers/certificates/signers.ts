/** What each of upstream's built-in signers signs (pkg/apis/certificates and the signer controllers). */
import type { SigningRequest } from './signing-request.ts';

export const CLIENT = 'kubernetes.io/kube-apiserver-client';
export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
export const LEGACY_UNKNOWN = 'kubernetes.io/legacy-unknown';

/** Why a request is not for the signer that it names; undefined when it is. */
type Refusal = (request: SigningRequest, usages: readonly string[]) => string | undefined;

/** By signerName. Others are somebody else's to sign. */
export const SIGNERS: ReadonlyMap<string, Refusal> = new Map([
  [CLIENT, (_request, usages) => clientUsageProblem(usages)],
  [KUBELET_CLIENT, kubeletClientProblem],
  [KUBELET_SERVING, kubeletServingProblem],
  // Signed whatever they ask for, once somebody approved: no trust is promised.
  [LEGACY_UNKNOWN, () => undefined],
]);

function clientUsageProblem(usages: readonly string[]): string | undefined {
  const foreign = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage));
  if (foreign !== undefined) return `invalid usage for client certificate: ${foreign}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

/** A kubelet's identity: `system:node:NAME` of the group system:nodes, with no other names. */
export function kubeletClientProblem(request: SigningRequest, usages: readonly string[]): string | undefined {
  if (!isNodes(request)) return NOT_NODES;
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  return foreignNames(request) ?? nodeNameProblem(request) ?? usageProblem(usages, 'client auth');
}

function kubeletServingProblem(request: SigningRequest, usages: readonly string[]): string | undefined {
  if (!isNodes(request)) return NOT_NODES;
  if (request.dnsNames.length + request.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  return foreignNames(request) ?? usageProblem(usages, 'server auth') ?? nodeNameProblem(request);
}

const NOT_NODES = 'subject organization is not system:nodes';

function isNodes({ organizations }: SigningRequest): boolean {
  return organizations.length === 1 && organizations[0] === 'system:nodes';
}

function foreignNames({ emailAddresses, uris }: SigningRequest): string | undefined {
  if (emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  return uris.length > 0 ? 'URI subjectAltNames are not allowed' : undefined;
}

function nodeNameProblem({ commonName }: SigningRequest): string | undefined {
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:';
}

/** Encipherment belongs to RSA; other keys do without. */
function usageProblem(usages: readonly string[], purpose: string): string | undefined {
  const required = ['digital signature', purpose];
  const allowed = [...required, 'key encipherment'];
  const fits = required.every((usage) => usages.includes(usage)) && usages.every((usage) => allowed.includes(usage));
  return fits ? undefined : `usages did not match [${required.toSorted().join(' ')}]`;
}
