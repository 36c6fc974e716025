import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../../api/types.gen.ts';
import { runReconciler } from '../../client/loop.ts';
import type { ComponentContext, Reconciler } from '../../client/reconcile.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../../client/resources.ts';
import type { Component } from '../../lib/component.ts';
import { unlessGone } from '../pods/ownership.ts';

const HOUR_MS = 3_600_000;
/** Requests that nobody has answered stay for a day, answered ones for an hour. */
const PENDING_MS = 24 * HOUR_MS;
const ANSWERED_MS = HOUR_MS;

/** Deletes CertificateSigningRequests that are done with: issued, denied, failed, expired or never answered. */
export function createCertificateCleaner(context: ComponentContext): Component[] {
  const { client, clock } = context;
  const requests = client.informer(CERTIFICATE_SIGNING_REQUESTS);
  const reconciler: Reconciler = {
    name: 'csrcleaner',
    setup(queue) {
      const note = ({ metadata }: CertificateSigningRequest): void => queue.add(metadata.name!);
      requests.subscribe({ added: note, updated: note });
    },
    async reconcile(name) {
      const request = requests.get(name);
      const due = request && endOf(request);
      if (due === undefined) return;
      if (due > clock.now()) return { afterMs: due - clock.now() };
      const preconditions = { uid: request!.metadata.uid! };
      await unlessGone(client.resource(CERTIFICATE_SIGNING_REQUESTS).delete(name, { preconditions }));
    },
  };
  return [runReconciler(context, reconciler)];
}

/** When the request may go, in milliseconds since the epoch; undefined for never. */
function endOf({ metadata, status }: CertificateSigningRequest): number | undefined {
  const conditions = status?.conditions ?? [];
  const ends = conditions
    .filter(({ type }) => type === 'Denied' || type === 'Failed' || (type === 'Approved' && status?.certificate))
    .map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? metadata.creationTimestamp!) + ANSWERED_MS);
  if (conditions.length === 0) ends.push(Date.parse(metadata.creationTimestamp!) + PENDING_MS);
  const expiry = status?.certificate && expiryOf(status.certificate);
  if (expiry) ends.push(expiry);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

/** undefined for what is no certificate: other signers write what they like. */
function expiryOf(certificate: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}
