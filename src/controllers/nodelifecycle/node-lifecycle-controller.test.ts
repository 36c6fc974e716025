import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { Node } from '../../api/types.gen.ts';
import { LEASES, NODES, PODS } from '../../client/resources.ts';
import { createNodeLifecycleController } from './node-lifecycle-controller.ts';

/** Nodes whose kubelets beat until told to fall silent. */
function kubelets({ context, pass }: ControllerWorld) {
  const { client } = context;
  const nodes = client.resource(NODES);
  const silent = new Set<string>();
  const names: string[] = [];
  return {
    silent,
    add: async (name: string, ready = 'True'): Promise<void> => {
      names.push(name);
      await nodes.create({ metadata: { name } });
      await nodes.patch(name, 'merge', { status: { conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: 'x' }] } }, 'status');
      await client.resource(LEASES, 'kube-node-lease').create({ metadata: { name } });
    },
    report: (name: string, ready: string) =>
      nodes.patch(name, 'merge', { status: { conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: 'y' }] } }, 'status'),
    live: async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 10_000) {
        for (const name of names) {
          if (!silent.has(name))
            await client.resource(LEASES, 'kube-node-lease').patch(name, 'merge', { spec: { renewTime: String(context.clock.now()) } });
        }
        await pass(10_000);
      }
    },
    get: (name: string): Promise<Node> => nodes.get(name),
    taints: async (name: string): Promise<string[]> =>
      ((await nodes.get(name)).spec?.taints ?? []).map(({ key, effect }) => `${key.split('/')[1]}:${effect}`).toSorted(),
  };
}

const readiness = ({ status }: Node): string => {
  const { status: ready, reason, message } = status!.conditions!.find(({ type }) => type === 'Ready')!;
  return `${ready} ${reason} ${message}`;
};

test('a node whose kubelet falls silent turns Unknown after the grace period, its pods NotReady, and it is emptied', () =>
  withControllers(async (world) => {
    const { context, events, start, pass } = world;
    const { add, silent, live, get, taints } = kubelets(world);
    await add('n1');
    await add('n2');
    const pods = context.client.resource(PODS, 'default');
    await pods.create({
      metadata: { name: 'web' },
      spec: { containers: [], nodeName: 'n2' },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
    await start(createNodeLifecycleController(context));
    await live(120_000);
    assert.deepEqual(await taints('n2'), []);

    silent.add('n2');
    await live(30_000);
    assert.match(readiness(await get('n2')), /^True/);
    await live(20_000);
    assert.equal(readiness(await get('n2')), 'Unknown NodeStatusUnknown Kubelet stopped posting node status.');
    assert.deepEqual(await taints('n2'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
    assert.equal((await pods.get('web')).status!.conditions![0]!.status, 'False');
    assert.deepEqual(await taints('n1'), []);
    await pass(0);
    assert.ok(events.includes('Normal NodeNotReady n2: Node n2 status is now: NodeNotReady'));
    assert.ok(events.includes('Warning NodeNotReady web: Node is not ready'));
  }));

test('taints go as soon as the node is Ready again', () =>
  withControllers(async (world) => {
    const { context, start, pass } = world;
    const { add, report, taints } = kubelets(world);
    await add('n1');
    await add('n2', 'False');
    await start(createNodeLifecycleController(context));
    await pass(10);
    assert.deepEqual(await taints('n2'), ['not-ready:NoExecute', 'not-ready:NoSchedule']);
    await report('n2', 'True');
    await pass(10);
    assert.deepEqual(await taints('n2'), []);
  }));

test('where no node is ready, none is emptied', () =>
  withControllers(async (world) => {
    const { context, start, pass } = world;
    const { add, silent, live, get, report, taints } = kubelets(world);
    await add('n1');
    await start(createNodeLifecycleController(context));
    silent.add('n1');
    await live(70_000);
    assert.match(readiness(await get('n1')), /^Unknown/);
    assert.deepEqual(await taints('n1'), ['unreachable:NoSchedule']);
    await add('n2');
    await pass(6000);
    assert.deepEqual(await taints('n1'), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
    await report('n2', 'False');
    await pass(6000);
    assert.deepEqual(await taints('n1'), ['unreachable:NoSchedule']);
  }));

test('nodes of one zone are emptied one in ten seconds', () =>
  withControllers(async (world) => {
    const { context, start, pass } = world;
    const { add, taints } = kubelets(world);
    for (const name of ['a', 'b', 'c']) await add(name);
    for (const name of ['x', 'y']) await add(name, 'False');
    await start(createNodeLifecycleController(context));
    const emptied = async (): Promise<number> => {
      let count = 0;
      for (const name of ['x', 'y']) if ((await taints(name)).includes('not-ready:NoExecute')) count++;
      return count;
    };
    await pass(9000);
    assert.equal(await emptied(), 1);
    await pass(2000);
    assert.equal(await emptied(), 2);
  }));

test('a node that never reported turns Unknown after the startup grace period', () =>
  withControllers(async ({ context, start, pass }) => {
    const nodes = context.client.resource(NODES);
    await nodes.create({ metadata: { name: 'n1' } });
    await start(createNodeLifecycleController(context));
    await pass(55_000);
    assert.equal((await nodes.get('n1')).status, undefined);
    await pass(10_000);
    assert.equal(readiness(await nodes.get('n1')), 'Unknown NodeStatusNeverUpdated Kubelet never posted node status.');
  }));

test('a quiet cluster costs no request', () =>
  withControllers(async (world) => {
    const { api, context, start } = world;
    const { add, live } = kubelets(world);
    await add('n1');
    await start(createNodeLifecycleController(context));
    await live(10_000);
    api.requests.length = 0;
    await live(200_000);
    assert.deepEqual(
      api.requests.filter((line) => !line.includes('/leases/')),
      [],
    );
  }));
