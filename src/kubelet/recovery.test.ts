/** What goes wrong around the kubelet, on a real containerd: it is restarted, containerd is killed, a sandbox dies, pods are deleted by force. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { containerdMissing } from '../../test/fixtures/containerd.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import { startTestNode, type TestNode } from '../../test/fixtures/node.ts';
import type { Pod } from '../api/types.gen.ts';
import { PODS } from '../client/resources.ts';

const isReady = (pod: Pod): boolean => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((one) => one.type === type);
const SLEEP = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

describe('kubelet in trouble', { skip: containerdMissing() ?? false }, () => {
  let node: TestNode;
  before(async () => {
    node = await startTestNode({ subnet: '10.199.9.0/24' });
  });
  after(() => node.close());

  test('a restarted kubelet takes over: nothing is started twice, what went away meanwhile is cleaned up', async () => {
    await node.run('stays', { containers: [{ name: 'main', command: SLEEP }] });
    await node.run('leaves', { containers: [{ name: 'main', command: SLEEP }] });
    const before = await node.until('stays', isReady);
    await node.until('leaves', isReady);
    await node.kubelet.stop();
    await node.client.resource(PODS, 'default').delete('leaves', { gracePeriodSeconds: 0 });
    await node.restartKubelet();
    const after = await node.until('stays', isReady);
    assert.equal(after.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
    assert.deepEqual(conditionOf(after, 'Ready'), conditionOf(before, 'Ready'));
    await eventually(async () =>
      assert.deepEqual(
        (await node.containerd.runtime.listPodSandboxes()).filter((sandbox) => sandbox.name === 'leaves'),
        [],
      ),
    );
  });

  test('a sandbox that dies is made anew', async () => {
    await node.run('sandbox', { containers: [{ name: 'main', command: SLEEP }] });
    const before = await node.until('sandbox', isReady);
    const sandbox = (await node.containerd.runtime.listPodSandboxes()).find((one) => one.name === 'sandbox' && one.state === 'READY');
    await node.containerd.runtime.stopPodSandbox(sandbox!.id);
    const after = await node.until('sandbox', (one) => isReady(one) && (one.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0);
    assert.notEqual(after.status?.podIP, before.status?.podIP);
    assert.equal(after.status?.podIPs?.length, 1);
    assert.ok((await node.events('sandbox')).includes('SandboxChanged: Pod sandbox changed, it will be killed and re-created.'));
  });

  test('a Ready condition that somebody else turned off is turned on again', async () => {
    await node.run('mended', { containers: [{ name: 'main', command: SLEEP }] });
    const pod = await node.until('mended', isReady);
    const conditions = [{ type: 'Ready', status: 'False', reason: 'NodeNotReady' }];
    const other = await node.client.resource(PODS, 'default').patch('mended', 'strategic', { status: { conditions } }, 'status');
    assert.equal(conditionOf(other, 'Ready')?.status, 'False');
    const mended = await node.until('mended', isReady);
    assert.equal(conditionOf(mended, 'Ready')?.reason, undefined);
    assert.equal(mended.metadata.uid, pod.metadata.uid);
  });

  test('a containerd that was killed comes back and nothing is lost', async () => {
    await node.run('survivor', { containers: [{ name: 'main', command: SLEEP }] });
    const before = await node.until('survivor', isReady);
    await node.containerd.restart('SIGKILL');
    await node.run('afterwards', { containers: [{ name: 'main', command: SLEEP }] });
    await node.until('afterwards', isReady);
    const after = await node.client.resource(PODS, 'default').get('survivor');
    assert.equal(after.status?.containerStatuses?.[0]?.containerID, before.status?.containerStatuses?.[0]?.containerID);
    assert.ok(isReady(after));
  });

  test('force delete leaves nothing running', async () => {
    await node.run('forced', { containers: [{ name: 'main', command: ['sleep', '1000'] }], terminationGracePeriodSeconds: 300 });
    await node.until('forced', isReady);
    await node.client.resource(PODS, 'default').delete('forced', { gracePeriodSeconds: 0 });
    await eventually(async () =>
      assert.deepEqual(
        (await node.containerd.runtime.listPodSandboxes()).filter((sandbox) => sandbox.name === 'forced'),
        [],
      ),
    );
  });
});
