import assert from 'node:assert/strict';
import { AppsV1Api } from '@kubernetes/client-node';
import { conformance, IMAGES, until } from '../harness.ts';

conformance('apps', 'ControllerRevision', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] should manage the lifecycle of a ControllerRevision', async (world) => {
    const apps = world.api(AppsV1Api);
    const { namespace } = world;
    const labels = { app: 'revisions' };
    await apps.createNamespacedDaemonSet({
      namespace,
      body: {
        metadata: { name: 'revisions' },
        spec: {
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: IMAGES.web }] } },
        },
      },
    });
    await until(async () => {
      const { status } = await apps.readNamespacedDaemonSet({ name: 'revisions', namespace });
      return (status?.numberReady ?? 0) > 0 && status!.numberReady === status!.desiredNumberScheduled;
    }, 'the DaemonSet is ready on every node');
    const { items } = await apps.listNamespacedControllerRevision({ namespace, labelSelector: 'app=revisions' });
    assert.equal(items.length, 1);
    assert.equal(items[0]!.revision, 1);
  });
});
