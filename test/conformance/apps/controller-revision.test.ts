import assert from 'node:assert/strict';
import type { V1ControllerRevision, V1DaemonSet } from '@kubernetes/client-node';
import { conformance, until } from '../harness.ts';
import { rest } from '../rest.ts';
import { apps, isGone, nameOf, template } from './workloads.ts';

conformance('apps', 'ControllerRevision', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] should manage the lifecycle of a ControllerRevision', async (world) => {
    const { create, list, get, patch, update, remove } = rest(world);
    const labels = { 'daemonset-name': 'revised' };
    const [sets, revisions] = [apps(world, 'daemonsets'), apps(world, 'controllerrevisions')];
    const selected = (selector: string): Promise<V1ControllerRevision[]> =>
      list<V1ControllerRevision>(`${revisions}?labelSelector=${encodeURIComponent(selector)}`);
    await create(sets, { metadata: { name: 'revised', labels }, spec: { selector: { matchLabels: labels }, template: template(labels) } });
    await until(async () => {
      const { status } = await get<V1DaemonSet>(`${sets}/revised`);
      return (status?.numberReady ?? 0) > 0 && status!.numberReady === status!.desiredNumberScheduled;
    }, 'the DaemonSet is ready on every node');

    const [initial] = await selected('daemonset-name=revised');
    const path = `${revisions}/${nameOf(initial!)}`;
    assert.equal(initial!.revision, 1);
    const patched = await patch<V1ControllerRevision>(path, { metadata: { labels: { [nameOf(initial!)]: 'patched' } } });
    assert.equal(patched.metadata!.labels![nameOf(initial!)], 'patched');

    // A copy of ours, numbered after it; the controller keeps what it does not own.
    const { data } = initial!;
    const copy = await create<V1ControllerRevision>(revisions, {
      metadata: { name: 'revised-copy', labels, ownerReferences: initial!.metadata!.ownerReferences },
      data,
      revision: 2,
    });
    assert.equal((await selected('daemonset-name=revised')).length, 2);
    await remove(path);
    await isGone(world, path);
    await until(async () => (await selected('daemonset-name=revised')).length >= 1, 'the controller has its revision');

    const updated = await update<V1ControllerRevision>(
      `${revisions}/${nameOf(copy)}`,
      (object) => (object.metadata!.labels = { ...object.metadata!.labels, [nameOf(copy)]: 'updated' }),
    );
    assert.equal(updated.metadata!.labels![nameOf(copy)], 'updated');
    assert.deepEqual(updated.data, data);

    await patch(`${sets}/revised`, { spec: { template: { spec: { terminationGracePeriodSeconds: 1 } } } }, 'strategic');
    const latest = await until(
      async () => (await selected('daemonset-name=revised')).find(({ revision }) => revision >= 3),
      'the next revision',
    );
    assert.notDeepEqual(latest.data, data);

    await remove(`${revisions}?labelSelector=${encodeURIComponent(`${nameOf(copy)}=updated`)}`);
    await until(async () => (await selected(`${nameOf(copy)}=updated`)).length === 0, 'the copy is deleted');
    assert.ok((await list(`/apis/apps/v1/controllerrevisions?labelSelector=${encodeURIComponent('daemonset-name=revised')}`)).length >= 1);
  });
});
