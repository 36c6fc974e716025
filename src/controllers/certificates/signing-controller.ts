import type { CertificateSigningRequest } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import { TerminalError, type ComponentContext, type Reconciler } from '../../client/reconcile.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { errorMessage } from '../../lib/errors.ts';
import { unlessGone } from '../pods/ownership.ts';
import { trueCondition, withCondition } from './conditions.ts';
import { issueCertificate, type Authority } from './issue.ts';
import { parseSigningRequest, type SigningRequest } from './signing-request.ts';
import { SIGNERS } from './signers.ts';

/** kube-controller-manager's --cluster-signing-duration. */
const LONGEST_MS = 365 * 24 * 3_600_000;
/** Certificates begin in the past: clocks of a node and of its clients differ. */
const BACKDATE_MS = 5 * 60_000;
/** A request may not ask for less; what is older than the API's rule may. */
const SHORTEST_MS = 10 * 60_000;

/**
 * Signs approved CertificateSigningRequests of upstream's built-in signers with the cluster's CA; what is not what its signer signs gets the
 * condition Failed. Without an authority nothing is signed.
 */
export function createCertificateSigningController(
  context: ComponentContext,
  { clusterSigning }: { clusterSigning?: Authority },
): Component[] {
  return clusterSigning ? [runReconciler(context, signing(context, clusterSigning))] : [];
}

function signing(context: ComponentContext, authority: Authority): Reconciler {
  const { client, clock, rng } = context;
  const requests = client.informer(CERTIFICATE_SIGNING_REQUESTS);
  const serial = (): Buffer => Buffer.from(rng.uuid().replaceAll('-', ''), 'hex');
  return {
    name: 'csrsigning',
    setup(queue) {
      const note = (request: CertificateSigningRequest): void => {
        if (isDue(request)) queue.add(request.metadata.name!);
      };
      requests.subscribe({ added: note, updated: note });
    },
    async reconcile(name) {
      const request = requests.get(name);
      if (!request || !isDue(request)) return;
      const { spec } = request;
      const write = (changed: CertificateSigningRequest): Promise<unknown> =>
        unlessGone(client.resource(CERTIFICATE_SIGNING_REQUESTS).updateStatus(changed));
      const parsed = parse(request);
      const problem = SIGNERS.get(spec.signerName)!(parsed, spec.usages ?? []);
      if (problem !== undefined) {
        await write(withCondition(request, { type: 'Failed', reason: 'SignerValidationFailure', message: problem }));
        return;
      }
      const notBefore = clock.now() - BACKDATE_MS;
      const notAfter = clock.now() + durationOf(request);
      const certificate = issueCertificate(parsed, { usages: spec.usages ?? [], notBefore, notAfter, serial: serial() }, authority);
      await write({ ...request, status: { ...request.status, certificate: Buffer.from(certificate).toString('base64') } });
    },
  };
}

function isDue(request: CertificateSigningRequest): boolean {
  return (
    SIGNERS.has(request.spec?.signerName ?? '') &&
    !request.status?.certificate &&
    trueCondition(request, 'Approved') !== undefined &&
    !trueCondition(request, 'Failed')
  );
}

function durationOf({ spec }: CertificateSigningRequest): number {
  const asked = spec?.expirationSeconds;
  return asked === undefined ? LONGEST_MS : Math.min(Math.max(asked * 1000, SHORTEST_MS), LONGEST_MS);
}

/** What cannot be read does not become readable by trying again. */
function parse({ metadata, spec }: CertificateSigningRequest): SigningRequest {
  try {
    return parseSigningRequest(spec.request);
  } catch (error) {
    throw new TerminalError(`unable to parse csr ${JSON.stringify(metadata.name)}: ${errorMessage(error)}`, { cause: error });
  }
}
