import assert from 'node:assert/strict';
import type { V1ControllerRevision, V1DaemonSet, V1Node, V1Pod } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { apps, core, isReady, nameOf, pods, statusEndpoints, webSpec, type Labels } from './workloads.ts';

const LABELS: Labels = { 'daemonset-name': 'daemon-set' };
const sets = (world: World): string => apps(world, 'daemonsets');
const set = (world: World): string => `${sets(world)}/daemon-set`;
const COLOR = 'daemonset-color';

function daemonSet(more: Partial<V1DaemonSet['spec']> = {}, spec: Parameters<typeof webSpec>[0] = {}): V1DaemonSet {
  return {
    metadata: { name: 'daemon-set', labels: LABELS },
    spec: { selector: { matchLabels: LABELS }, template: { metadata: { labels: LABELS }, spec: webSpec(spec) }, ...more },
  };
}

const create = (world: World, body: V1DaemonSet): Promise<V1DaemonSet> => rest(world).create<V1DaemonSet>(sets(world), body);
const nodes = (world: World): Promise<V1Node[]> => rest(world).list<V1Node>('/api/v1/nodes');
const label = (world: World, node: string, value: string | null) =>
  rest(world).patch(`/api/v1/nodes/${node}`, { metadata: { labels: { [COLOR]: value } } });

/** One ready pod on each of these nodes, and none elsewhere. */
const runsOn = (world: World, names: readonly string[]): Promise<V1Pod[]> =>
  until(
    async () => {
      const found = await pods(world, LABELS);
      const on = found.map(({ spec }) => spec!.nodeName!).toSorted();
      return JSON.stringify(on) === JSON.stringify(names.toSorted()) && found.every(isReady) && found;
    },
    `pods on ${names.join(', ') || 'no node'}`,
  );

const everywhere = async (world: World): Promise<V1Pod[]> => runsOn(world, (await nodes(world)).map(nameOf));

const revisions = (world: World): Promise<V1ControllerRevision[]> =>
  rest(world).list<V1ControllerRevision>(apps(world, 'controllerrevisions'));

const updated = (world: World): Promise<V1DaemonSet> =>
  until(async () => {
    const object = await rest(world).get<V1DaemonSet>(set(world));
    const { observedGeneration = 0, updatedNumberScheduled = 0, numberAvailable = 0, desiredNumberScheduled = -1 } = object.status ?? {};
    return (
      observedGeneration >= object.metadata!.generation! &&
      updatedNumberScheduled === desiredNumberScheduled &&
      numberAvailable === desiredNumberScheduled &&
      object
    );
  }, 'the set is rolled out');

const setImage = (world: World, image: string) =>
  rest(world).patch<V1DaemonSet>(set(world), { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } }, 'strategic');

conformance('apps', 'Daemon set', { pods: true, serial: true }, (behaviour) => {
  behaviour('[Serial] should list and delete a collection of DaemonSets', async (world) => {
    await create(world, daemonSet());
    await everywhere(world);
    const { list, remove } = rest(world);
    assert.equal((await list('/apis/apps/v1/daemonsets?labelSelector=daemonset-name%3Ddaemon-set')).length, 1);
    await remove(`${sets(world)}?labelSelector=daemonset-name%3Ddaemon-set`);
    await until(async () => (await list(sets(world))).length === 0, 'none is left');
  });

  behaviour('[Serial] should retry creating failed daemon pods', async (world) => {
    await create(world, daemonSet());
    const [pod] = await everywhere(world);
    const path = `${core(world, 'pods')}/${nameOf(pod!)}`;
    await rest(world).patch(`${path}/status`, { status: { phase: 'Failed' } });
    await until(async () => (await world.request({ path })).status === 404, 'the failed pod is deleted');
    await everywhere(world);
  });

  behaviour('[Serial] should rollback without unnecessary restarts', async (world) => {
    await create(world, daemonSet({ updateStrategy: { type: 'RollingUpdate' } }));
    const before = await everywhere(world);
    // An update that cannot complete: an image that is nowhere.
    await setImage(world, IMAGES.missing);
    await until(
      async () => (await pods(world, LABELS)).some(({ spec }) => spec!.containers[0]!.image === IMAGES.missing),
      'a pod of the bad update',
    );
    const untouched = new Set((await pods(world, LABELS)).filter(isReady).map(({ metadata }) => metadata!.uid));
    await setImage(world, IMAGES.web);
    await updated(world);
    const after = await everywhere(world);
    for (const uid of untouched)
      assert.ok(
        after.some(({ metadata }) => metadata!.uid === uid),
        'a pod that was well is left alone',
      );
    assert.equal(after.length, before.length);
    for (const { status } of after) assert.equal(status!.containerStatuses![0]!.restartCount, 0);
  });

  behaviour('[Serial] should run and stop complex daemon', async (world) => {
    const [node] = await nodes(world);
    await create(world, daemonSet({ updateStrategy: { type: 'OnDelete' } }, { nodeSelector: { [COLOR]: 'blue' } }));
    await runsOn(world, []);
    try {
      await label(world, nameOf(node!), 'blue');
      await runsOn(world, [nameOf(node!)]);
      await label(world, nameOf(node!), 'green');
      await runsOn(world, []);
      await rest(world).patch(set(world), {
        spec: { template: { spec: { nodeSelector: { [COLOR]: 'green' } } }, updateStrategy: { type: 'RollingUpdate' } },
      });
      const [pod] = await runsOn(world, [nameOf(node!)]);
      assert.equal(pod!.spec!.nodeSelector![COLOR], 'green');
    } finally {
      await label(world, nameOf(node!), null);
    }
    await runsOn(world, []);
  });

  behaviour('[Serial] should run and stop simple daemon', async (world) => {
    await create(world, daemonSet());
    const [pod] = await everywhere(world);
    await rest(world).remove(`${core(world, 'pods')}/${nameOf(pod!)}`);
    await until(async () => (await pods(world, LABELS)).every(({ metadata }) => metadata!.uid !== pod!.metadata!.uid), 'the pod is gone');
    await everywhere(world);
  });

  behaviour('[Serial] should update pod when spec was updated and update strategy is RollingUpdate', async (world) => {
    await create(world, daemonSet({ updateStrategy: { type: 'RollingUpdate' } }));
    const before = await everywhere(world);
    const [first] = await revisions(world);
    assert.equal(first!.revision, 1);
    assert.equal(before[0]!.metadata!.labels!['controller-revision-hash'], first!.metadata!.labels!['controller-revision-hash']);
    await rest(world).patch(set(world), { spec: { template: { metadata: { annotations: { step: '2' } } } } });
    await updated(world);
    const after = await everywhere(world);
    const second = (await revisions(world)).find(({ revision }) => revision === 2);
    assert.ok(second);
    for (const { metadata } of after) {
      assert.equal(metadata!.labels!['controller-revision-hash'], second.metadata!.labels!['controller-revision-hash']);
      assert.equal(metadata!.annotations!['step'], '2');
    }
  });

  behaviour('[Serial] should verify changes to a daemon set status', async (world) => {
    await create(world, daemonSet());
    await everywhere(world);
    await statusEndpoints(world, sets(world), 'daemon-set');
  });
});
