import assert from 'node:assert/strict';
import type { V1SubjectAccessReview } from '@kubernetes/client-node';
import { conformance, type World } from '../harness.ts';
import { rest } from '../rest.ts';

/** Whether the service account may do it: as it finds out by trying, and as the reviews say. */
async function agree(world: World, account: string, resource: string): Promise<boolean> {
  const api = rest(world);
  const user = `system:serviceaccount:${world.namespace}:${account}`;
  const headers = { 'impersonate-user': user };
  const { status } = await world.request({ path: `/api/v1/namespaces/${world.namespace}/${resource}`, headers });
  const resourceAttributes = { verb: 'list', resource, namespace: world.namespace, version: 'v1' };
  const spec = { user, resourceAttributes };
  const root = '/apis/authorization.k8s.io/v1';
  const anywhere = await api.create<V1SubjectAccessReview>(`${root}/subjectaccessreviews`, { spec });
  const local = await api.create<V1SubjectAccessReview>(`${root}/namespaces/${world.namespace}/localsubjectaccessreviews`, {
    metadata: { namespace: world.namespace },
    spec,
  });
  assert.deepEqual([anywhere.status!.allowed, local.status!.allowed], [status === 200, status === 200]);
  return status === 200;
}

conformance('auth', 'SubjectReview', {}, (behaviour) => {
  behaviour('should support SubjectReview API operations', async (world) => {
    const api = rest(world);
    await api.create(`/api/v1/namespaces/${world.namespace}/serviceaccounts`, { metadata: { name: 'reviewed' } });
    assert.equal(await agree(world, 'reviewed', 'configmaps'), false);
    const apiGroup = 'rbac.authorization.k8s.io';
    await api.create(`/apis/${apiGroup}/v1/namespaces/${world.namespace}/rolebindings`, {
      metadata: { name: 'reviewed' },
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'ServiceAccount', name: 'reviewed', namespace: world.namespace }],
    });
    assert.equal(await agree(world, 'reviewed', 'configmaps'), true);
    assert.equal(await agree(world, 'reviewed', 'secrets'), false);
  });
});
