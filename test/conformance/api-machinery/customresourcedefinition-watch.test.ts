import assert from 'node:assert/strict';
import { conformance } from '../harness.ts';
import { rest } from '../rest.ts';
import { ANYTHING, define, definition, version } from './definitions.ts';

conformance('api-machinery', 'CustomResourceDefinition Watch', {}, (behaviour) => {
  behaviour('[Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects', async (world) => {
    const defined = await define(world, definition([version('v1', ANYTHING)], { spec: { scope: 'Cluster' } }));
    const { create, patch, remove, watch } = rest(world);
    const objects = defined.objects();
    const logs = {
      a: await watch(objects, { fieldSelector: 'metadata.name=name1' }),
      b: await watch(objects, { fieldSelector: 'metadata.name=name2' }),
    };
    const object = (name: string) => ({
      apiVersion: `${defined.group}/v1`,
      kind: defined.kind,
      metadata: { name },
      content: { key: 'value' },
    });
    for (const name of ['name1', 'name2']) await create(objects, object(name));
    for (const name of ['name1', 'name2']) await patch(`${objects}/${name}`, { content: { key: 'other' } });
    for (const name of ['name1', 'name2']) await remove(`${objects}/${name}`);
    for (const [log, name] of [
      [logs.a, 'name1'],
      [logs.b, 'name2'],
    ] as const) {
      await log.until(({ type }) => type === 'DELETED', `${name} is deleted`);
      assert.deepEqual(
        log.events.map((event) => `${event.type} ${event.object.metadata!.name}`),
        [`ADDED ${name}`, `MODIFIED ${name}`, `DELETED ${name}`],
      );
    }
  });
});
