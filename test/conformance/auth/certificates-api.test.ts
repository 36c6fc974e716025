import assert from 'node:assert/strict';
import type { V1APIResourceList, V1CertificateSigningRequest } from '@kubernetes/client-node';
import { ecRequest } from '../../fixtures/certificate-request.ts';
import { apiOperations } from '../api-operations.ts';
import { conformance } from '../harness.ts';
import { rest } from '../rest.ts';

const group = 'certificates.k8s.io';

conformance('auth', 'Certificates API', {}, (behaviour) => {
  behaviour('[Privileged:ClusterAdmin] should support CSR API operations', async (world) => {
    const api = rest(world);
    const { resources } = await api.get<V1APIResourceList>(`/apis/${group}/v1`);
    assert.ok(resources.some(({ name }) => name === 'certificatesigningrequests/approval'));
    const { request } = ecRequest({ commonName: 'e2e.example.com' });
    const conditionsOf = ({ status }: V1CertificateSigningRequest): string[] => (status?.conditions ?? []).map(({ type }) => type);
    await apiOperations(world, {
      group,
      resource: 'certificatesigningrequests',
      make: (name) => ({
        metadata: { name },
        spec: {
          request,
          signerName: 'example.com/e2e',
          usages: ['digital signature', 'key encipherment', 'server auth'],
          expirationSeconds: 3600,
        },
      }),
      subresources: async (path) => {
        const approval = `${path}/approval`;
        const { metadata } = await api.get<V1CertificateSigningRequest>(approval);
        assert.equal(path.endsWith(`/${metadata!.name}`), true);
        const patched = await api.patch<V1CertificateSigningRequest>(approval, {
          metadata: { annotations: { patchedapproval: 'true' } },
          status: { conditions: [{ type: 'ApprovalPatch', status: 'True', reason: 'e2e' }] },
        });
        assert.deepEqual(conditionsOf(patched), ['ApprovalPatch']);
        assert.equal(patched.metadata!.annotations!['patchedapproval'], 'true');
        const approved = await api.update<V1CertificateSigningRequest>(approval, (object) => {
          object.status!.conditions!.push({ type: 'Approved', status: 'True', reason: 'E2E', message: 'Set from an e2e test' });
        });
        assert.deepEqual(conditionsOf(approved), ['ApprovalPatch', 'Approved']);

        const status = `${path}/status`;
        assert.deepEqual(conditionsOf(await api.get<V1CertificateSigningRequest>(status)), ['ApprovalPatch', 'Approved']);
        const certificate = world.config.getCurrentCluster()!.caData!;
        const issued = await api.patch<V1CertificateSigningRequest>(status, {
          metadata: { annotations: { patchedstatus: 'true' } },
          status: { certificate },
        });
        assert.equal(issued.status!.certificate, certificate);
        assert.equal(issued.metadata!.annotations!['patchedstatus'], 'true');
        const updated = await api.update<V1CertificateSigningRequest>(status, (object) => {
          object.status!.conditions!.push({ type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from an e2e test' });
        });
        assert.deepEqual(conditionsOf(updated), ['ApprovalPatch', 'Approved', 'StatusUpdate']);
      },
    });
  });
});
