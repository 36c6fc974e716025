import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads } from '../../../test/fixtures/workload-world.ts';
import type { Pod } from '../../api/types.gen.ts';
import { PERSISTENT_VOLUME_CLAIMS, PODS } from '../../client/resources.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };
const claimSpec = { accessModes: ['ReadWriteOnce'], storageClassName: '', resources: { requests: { storage: '1Gi' } } };

function pod(name: string): Pod {
  const volumes = [{ name: 'scratch', ephemeral: { volumeClaimTemplate: { metadata: { labels: { for: 'scratch' } }, spec: claimSpec } } }];
  return { metadata: { name }, spec: { containers: [{ name: 'main', image: 'busybox' }], volumes } };
}

test('an ephemeral volume has a claim that comes and goes with its pod, and never takes a foreign one', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const claims = admin.resource(PERSISTENT_VOLUME_CLAIMS, NS);
    const { metadata } = await admin.resource(PODS, NS).create(pod('web'));
    const claim = await eventually(() => claims.get('web-scratch'), soon);
    assert.deepEqual([claim.metadata.labels, claim.metadata.ownerReferences![0]!.uid], [{ for: 'scratch' }, metadata.uid]);
    await admin.resource(PODS, NS).delete('web');
    await eventually(async () => assert.deepEqual((await claims.list()).items, []), soon);
    assert.deepEqual(world.logged, []);

    await claims.create({ metadata: { name: 'other-scratch' }, spec: claimSpec });
    await admin.resource(PODS, NS).create(pod('other'));
    await eventually(
      () => assert.ok(world.logged.some((line) => line.includes('PVC default/other-scratch was not created for pod default/other'))),
      soon,
    );
    assert.equal((await claims.get('other-scratch')).metadata.ownerReferences, undefined);
  }));
