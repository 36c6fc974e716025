import assert from 'node:assert/strict';
import { CoreV1Api } from '@kubernetes/client-node';
import { conformance, IMAGES, type World } from '../harness.ts';
import { create, readyNode, running, setCapacity, unschedulable } from './cluster-nodes.ts';

const HOST_PORT = 54_323;

async function label(world: World, node: string, key: string, value: string | null): Promise<void> {
  const answer = await world.request({
    method: 'PATCH',
    path: `/api/v1/nodes/${node}`,
    body: { metadata: { labels: { [key]: value } } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  assert.equal(answer.status, 200, answer.text);
}

conformance('scheduling', 'SchedulerPredicates', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] validates resource limits of pods that are allowed to run', async (world) => {
    // A resource of the test's own, so that it is known to the last unit what is taken.
    const resource = 'example.com/beardsecond';
    const node = (await readyNode(world)).metadata!.name!;
    await setCapacity(world, node, resource, '1000');
    try {
      for (const [name, amount] of [
        ['most', '700'],
        ['rest', '300'],
      ] as const) {
        await create(world, { name, amounts: { [resource]: amount }, spec: { nodeSelector: { 'kubernetes.io/hostname': node } } });
        await running(world, name);
      }
      await create(world, { name: 'more', amounts: { [resource]: '1' } });
      assert.match(await unschedulable(world, 'more'), new RegExp(`Insufficient ${resource}`));
    } finally {
      await setCapacity(world, node, resource, undefined);
    }
  });

  behaviour('[Serial] validates that NodeSelector is respected if not matching', async (world) => {
    await create(world, { name: 'nowhere', spec: { nodeSelector: { label: 'nonempty' } } });
    assert.match(await unschedulable(world, 'nowhere'), /node\(s\) didn't match Pod's node affinity\/selector/);
  });

  behaviour('[Serial] validates that NodeSelector is respected if matching', async (world) => {
    const node = (await readyNode(world)).metadata!.name!;
    const key = `conformance.example.com/${world.namespace}`;
    await label(world, node, key, '42');
    try {
      await create(world, { name: 'there', spec: { nodeSelector: { [key]: '42' } } });
      assert.equal((await running(world, 'there')).spec!.nodeName, node);
    } finally {
      await label(world, node, key, null);
    }
  });

  behaviour(
    '[Serial] validates that there exists conflict between pods with same hostPort and protocol but one using 0.0.0.0 hostIP',
    async (world) => {
      const node = (await readyNode(world)).metadata!.name!;
      const nodeSelector = { 'kubernetes.io/hostname': node };
      const container = (hostIP?: string) => ({
        name: 'main',
        image: IMAGES.shell,
        imagePullPolicy: 'IfNotPresent',
        command: ['sleep', '3600'],
        ports: [{ containerPort: 8080, hostPort: HOST_PORT, protocol: 'TCP', ...(hostIP ? { hostIP } : {}) }],
      });
      await create(world, { name: 'first', spec: { nodeSelector, containers: [container()] } });
      await running(world, 'first');
      await create(world, { name: 'second', spec: { nodeSelector, containers: [container('127.0.0.1')] } });
      assert.match(await unschedulable(world, 'second'), /node\(s\) didn't have free ports for the requested pod ports/);
      await world.api(CoreV1Api).deleteNamespacedPod({ namespace: world.namespace, name: 'first' });
      await running(world, 'second');
    },
  );
});
