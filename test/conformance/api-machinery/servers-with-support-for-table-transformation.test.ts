import assert from 'node:assert/strict';
import { conformance } from '../harness.ts';

conformance('api-machinery', 'Servers with support for Table transformation', {}, (behaviour) => {
  behaviour('should return a 406 for a backend which does not implement metadata', async (world) => {
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace: world.namespace, verb: 'get', resource: 'pods' } },
    };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const refused = await world.request({ method: 'POST', path, body: review, headers: table });
    assert.equal(refused.status, 406, refused.text);
    assert.equal(refused.json<{ reason: string }>().reason, 'NotAcceptable');
    const plain = await world.request({ method: 'POST', path, body: review });
    assert.equal(plain.status, 201, plain.text);
  });
});
