import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { Job } from '../../api/types.gen.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

for (const metadata of [{ name: 'given' }, { generateName: 'generated-' }]) {
  test(`the pods of a Job carry its name and uid: ${JSON.stringify(metadata)}`, async () => {
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'busybox' }] } };
    const path = '/apis/batch/v1/namespaces/default/jobs';
    const { status, body } = await api.loopback()({ method: 'POST', path, body: { metadata, spec: { template } } });
    assert.equal(status, 201);
    const job = body as Job;
    const labels = job.spec!.template.metadata!.labels!;
    assert.deepEqual([labels['job-name'], labels['controller-uid']], [job.metadata.name, job.metadata.uid]);
    assert.deepEqual(job.spec!.selector!.matchLabels, { 'batch.kubernetes.io/controller-uid': job.metadata.uid });
  });
}
