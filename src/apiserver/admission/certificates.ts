/** Who may approve and sign certificates, and what nobody may ask for. */
import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '../../api/meta.ts';
import type { CertificateSigningRequest } from '../../api/types.gen.ts';
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '../contract.ts';
import { requestedOrganizations } from './certificate-request.ts';
import { isFor, refuse } from './refuse.ts';

const GROUP = 'certificates.k8s.io';
const RESOURCE = 'certificatesigningrequests';

/** Approval needs the verb `approve` on the signer, beside the right to write the subresource. */
export function certificateApproval(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateApproval',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, GROUP, RESOURCE, 'approval')) return;
      requireSigner(authorizer, request, 'approve', signerOf(request.oldObject!));
    },
  };
}

/** Signing, that is writing the certificate into the status, needs the verb `sign` on the signer. */
export function certificateSigning(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigning',
    validate(request) {
      if (request.operation !== 'UPDATE' || !isFor(request, GROUP, RESOURCE, 'status')) return;
      const [now, before] = [request.object, request.oldObject].map((object) => (object as unknown as CertificateSigningRequest).status);
      const failed = (status: typeof now): unknown => status?.conditions?.filter(({ type }) => type === 'Failed');
      if (now?.certificate === before?.certificate && isDeepStrictEqual(failed(now), failed(before))) return;
      requireSigner(authorizer, request, 'sign', signerOf(request.oldObject!));
    },
  };
}

/** Nobody becomes system:masters by a certificate request. */
export function certificateSubjectRestriction(): AdmissionPlugin {
  return {
    name: 'CertificateSubjectRestriction',
    validate(request) {
      if (request.operation !== 'CREATE' || !isFor(request, GROUP, RESOURCE)) return;
      const { spec } = request.object as unknown as CertificateSigningRequest;
      if (spec?.signerName !== 'kubernetes.io/kube-apiserver-client') return;
      const organizations = requestedOrganizations(Buffer.from(spec.request ?? '', 'base64').toString());
      if (organizations?.includes('system:masters')) {
        throw refuse(request, 'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed');
      }
    },
  };
}

function signerOf(object: KubeObject): string {
  return (object as unknown as CertificateSigningRequest).spec?.signerName ?? '';
}

/** The right may be given for one signer or for all of a domain: `kubernetes.io/*`. */
function requireSigner(authorizer: Authorizer, request: AdmissionRequest, verb: string, signer: string): void {
  const names = [signer, `${signer.split('/', 1)[0]}/*`];
  const allowed = names.some((name) => {
    const info = {
      isResourceRequest: true,
      verb,
      path: '',
      group: GROUP,
      version: '*',
      resource: 'signers',
      subresource: '',
      namespace: '',
      name,
      parts: [],
    };
    return authorizer.authorize({ user: request.user, info }).allowed;
  });
  if (!allowed) throw refuse(request, `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`);
}
