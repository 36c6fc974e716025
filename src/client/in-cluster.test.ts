import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inClusterConnection } from './in-cluster.ts';

const hosts = [
  { host: '10.96.0.1', server: 'https://10.96.0.1:443' },
  { host: 'fd00::1', server: 'https://[fd00::1]:443' },
];

for (const { host, server } of hosts) {
  test(`a pod finds the API server at ${host}`, async () => {
    const mount = await mkdtemp(join(tmpdir(), 'in-cluster-'));
    try {
      await writeFile(join(mount, 'ca.crt'), 'CA');
      const found = await inClusterConnection({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: '443' }, mount);
      assert.deepEqual(found, { server, ca: Buffer.from('CA'), tokenFile: join(mount, 'token') });
    } finally {
      await rm(mount, { recursive: true });
    }
  });
}

test('outside of a pod it says so', async () => {
  await assert.rejects(inClusterConnection({}), /not in a cluster/);
});
