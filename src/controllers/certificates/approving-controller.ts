import type { CertificateSigningRequest, SubjectAccessReview } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import { TerminalError, type ComponentContext } from '../../client/reconcile.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';
import { trueCondition, withCondition } from './conditions.ts';
import { parseSigningRequest, type SigningRequest } from './signing-request.ts';
import { KUBELET_CLIENT, kubeletClientProblem } from './signers.ts';

interface Rule {
  /** Of certificatesigningrequests: who may create it gets such certificates without being asked. */
  subresource: string;
  recognizes(request: CertificateSigningRequest, parsed: SigningRequest): boolean;
  message: string;
}

/** A kubelet renews its own certificate; a bootstrap token, or an administrator, asks for a node's first one. */
const RULES: readonly Rule[] = [
  {
    subresource: 'selfnodeclient',
    recognizes: (request, parsed) => isKubeletClient(request, parsed) && request.spec.username === parsed.commonName,
    message: 'Auto approving self kubelet client certificate after SubjectAccessReview.',
  },
  {
    subresource: 'nodeclient',
    recognizes: isKubeletClient,
    message: 'Auto approving kubelet client certificate after SubjectAccessReview.',
  },
];

/** Approves kubelets' client certificates for those whom RBAC lets have them. Serving certificates are left to people, as upstream leaves them. */
export function createCertificateApprovingController(context: ComponentContext): Component[] {
  const { client } = context;
  const requests = client.informer(CERTIFICATE_SIGNING_REQUESTS);
  const note = (queue: { add(key: string): void }) => (request: CertificateSigningRequest) => {
    if (isOpen(request)) queue.add(request.metadata.name!);
  };
  const reconciler = {
    name: 'csrapproving',
    setup(queue: { add(key: string): void }) {
      requests.subscribe({ added: note(queue), updated: note(queue) });
    },
    async reconcile(name: string) {
      const request = requests.get(name);
      if (!request || !isOpen(request)) return;
      const parsed = parseSigningRequest(request.spec.request);
      const tried: string[] = [];
      for (const { subresource, recognizes, message } of RULES) {
        if (!recognizes(request, parsed)) continue;
        tried.push(subresource);
        if (!(await isAllowed(context, request, subresource))) continue;
        const approved = withCondition(request, { type: 'Approved', reason: 'AutoApproved', message });
        await unlessGone(client.resource(CERTIFICATE_SIGNING_REQUESTS).subresource(name, 'approval', 'PUT', approved));
        return;
      }
      if (tried.length > 0)
        throw new TerminalError(
          `recognized csr ${JSON.stringify(name)} as [${tried.join(' ')}] but subject access review was not approved`,
        );
    },
  };
  return [runReconciler(context, reconciler)];
}

function isOpen(request: CertificateSigningRequest): boolean {
  return (
    request.spec?.signerName === KUBELET_CLIENT &&
    !request.status?.certificate &&
    !trueCondition(request, 'Approved') &&
    !trueCondition(request, 'Denied')
  );
}

function isKubeletClient({ spec }: CertificateSigningRequest, parsed: SigningRequest): boolean {
  return spec?.signerName === KUBELET_CLIENT && kubeletClientProblem(parsed, spec.usages ?? []) === undefined;
}

async function isAllowed({ client }: ComponentContext, { spec }: CertificateSigningRequest, subresource: string): Promise<boolean> {
  const { username, uid, groups, extra } = spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    subresource,
    version: '*',
  };
  const review: SubjectAccessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    metadata: {},
    spec: {
      ...(username ? { user: username } : {}),
      ...(uid ? { uid } : {}),
      ...(groups ? { groups } : {}),
      ...(extra ? { extra } : {}),
      resourceAttributes,
    },
  };
  const { body } = await client.request({ method: 'POST', path: '/apis/authorization.k8s.io/v1/subjectaccessreviews', body: review });
  return (body as SubjectAccessReview).status?.allowed === true;
}
