import assert from 'node:assert/strict';
import type { V1ConfigMap } from '@kubernetes/client-node';
import { conformance, type World } from '../harness.ts';
import { rest, type Seen, type WatchLog } from '../rest.ts';

const LABEL = 'watch-this-configmap';
const maps = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}/configmaps`;
const map = (name: string, value: string) => ({ metadata: { name, labels: { [LABEL]: value } } });
const mutate = (value: number) => ({ data: { mutation: String(value) } });

/** The events as `TYPE name mutation`. */
const told = (events: readonly Seen<V1ConfigMap>[]): string[] =>
  events.map(({ type, object }) => `${type} ${object.metadata!.name} ${object.data?.['mutation'] ?? '-'}`);

const selecting = (world: World, values: string, query = {}): Promise<WatchLog<V1ConfigMap>> =>
  rest(world).watch<V1ConfigMap>(maps(world), { labelSelector: `${LABEL} in (${values})`, ...query });

conformance('api-machinery', 'Watchers', {}, (behaviour) => {
  behaviour('should be able to restart watching from the last resource version observed by the previous watch', async (world) => {
    const { create, patch, remove } = rest(world);
    const first = await selecting(world, 'restart');
    await create(maps(world), map('restarted', 'restart'));
    await patch(`${maps(world)}/restarted`, mutate(1));
    const last = await first.until(({ type }) => type === 'MODIFIED', 'the first change');
    first.stop();
    await patch(`${maps(world)}/restarted`, mutate(2));
    await remove(`${maps(world)}/restarted`);
    const second = await selecting(world, 'restart', { resourceVersion: last.object.metadata!.resourceVersion! });
    await second.until(({ type }) => type === 'DELETED', 'the deletion');
    assert.deepEqual(told(second.events), ['MODIFIED restarted 2', 'DELETED restarted 2']);
  });

  behaviour('should be able to start watching from a specific resource version', async (world) => {
    const { create, patch, remove } = rest(world);
    await create(maps(world), map('specific', 'from-version'));
    const { metadata } = await patch<V1ConfigMap>(`${maps(world)}/specific`, mutate(1));
    await patch(`${maps(world)}/specific`, mutate(2));
    await remove(`${maps(world)}/specific`);
    const log = await selecting(world, 'from-version', { resourceVersion: metadata!.resourceVersion! });
    await log.until(({ type }) => type === 'DELETED', 'the deletion');
    assert.deepEqual(told(log.events), ['MODIFIED specific 2', 'DELETED specific 2']);
  });

  behaviour('should observe add, update, and delete watch notifications on configmaps', async (world) => {
    const { create, patch, remove } = rest(world);
    const logs = { a: await selecting(world, 'a'), b: await selecting(world, 'b'), both: await selecting(world, 'a,b') };
    await create(maps(world), map('map-a', 'a'));
    await patch(`${maps(world)}/map-a`, mutate(1));
    await patch(`${maps(world)}/map-a`, mutate(2));
    await remove(`${maps(world)}/map-a`);
    await create(maps(world), map('map-b', 'b'));
    await remove(`${maps(world)}/map-b`);
    await Promise.all(
      [logs.b, logs.both].map((log) =>
        log.until(({ type, object }) => type === 'DELETED' && object.metadata!.name === 'map-b', 'the end of b'),
      ),
    );
    await logs.a.until(({ type }) => type === 'DELETED', 'the end of a');
    const ofA = ['ADDED map-a -', 'MODIFIED map-a 1', 'MODIFIED map-a 2', 'DELETED map-a 2'];
    const ofB = ['ADDED map-b -', 'DELETED map-b -'];
    assert.deepEqual(told(logs.a.events), ofA);
    assert.deepEqual(told(logs.b.events), ofB);
    assert.deepEqual(told(logs.both.events), [...ofA, ...ofB]);
  });

  behaviour('should observe an object deletion if it stops meeting the requirements of the selector', async (world) => {
    const { create, patch, remove } = rest(world);
    const log = await selecting(world, 'kept');
    const path = `${maps(world)}/moving`;
    const relabel = (value: string) => ({ metadata: { labels: { [LABEL]: value } } });
    await create(maps(world), map('moving', 'kept'));
    await patch(path, mutate(1));
    await patch(path, relabel('wrong'));
    await patch(path, mutate(2));
    await patch(path, relabel('kept'));
    await patch(path, mutate(3));
    await remove(path);
    await log.until(({ type, object }) => type === 'DELETED' && object.data?.['mutation'] === '3', 'the real deletion');
    // What happened while the label was wrong was not shown.
    assert.deepEqual(told(log.events), [
      'ADDED moving -',
      'MODIFIED moving 1',
      'DELETED moving 1',
      'ADDED moving 2',
      'MODIFIED moving 3',
      'DELETED moving 3',
    ]);
  });

  behaviour('should receive events on concurrent watches in same order', async (world) => {
    const { create, patch, remove, list } = rest(world);
    const versions: string[] = [];
    const first = await rest(world).watch<V1ConfigMap>(maps(world), {
      resourceVersion: (await world.request({ path: maps(world) })).json<{ metadata: { resourceVersion: string } }>().metadata
        .resourceVersion,
    });
    const note = ({ metadata }: V1ConfigMap): void => void versions.push(metadata!.resourceVersion!);
    for (let round = 0; round < 12; round += 1) {
      const name = `ordered-${round % 4}`;
      const present = (await list(maps(world))).some(({ metadata }) => metadata!.name === name);
      if (!present) note(await create<V1ConfigMap>(maps(world), { metadata: { name } }));
      else if (round < 8) note(await patch<V1ConfigMap>(`${maps(world)}/${name}`, mutate(round)));
      else await remove(`${maps(world)}/${name}`);
    }
    await create(maps(world), { metadata: { name: 'last' } });
    const isLast = ({ object }: Seen<V1ConfigMap>): boolean => object.metadata!.name === 'last';
    await first.until(isLast, 'the last map');
    const seen = first.events.map(({ object }) => object.metadata!.resourceVersion!);
    assert.ok(
      versions.every((version) => seen.includes(version)),
      `${versions.join(',')} within ${seen.join(',')}`,
    );
    // One more watch from each version that was seen: all tell the rest of the same story.
    const logs = await Promise.all(
      seen.slice(0, -1).map((resourceVersion) => rest(world).watch<V1ConfigMap>(maps(world), { resourceVersion })),
    );
    await Promise.all(logs.map((log) => log.until(isLast, 'the last map')));
    for (const [index, log] of logs.entries())
      assert.deepEqual(
        log.events.map(({ object }) => object.metadata!.resourceVersion!),
        seen.slice(index + 1),
      );
  });
});
