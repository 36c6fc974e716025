import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { cloneJson } from '../patch/json.ts';
import { findResource } from '../scheme.ts';
import { StatusError } from '../status.ts';
import type { ManagedFieldsEntry } from '../types.gen.ts';
import { applyObject } from './apply.ts';
import { trackUpdate } from './track.ts';

const NOW = Date.UTC(2026, 0, 1);
const LATER = NOW + 60_000;
const deployments = findResource('apps', 'v1', 'deployments')!;
const services = findResource('', 'v1', 'services')!;
const configMaps = findResource('', 'v1', 'configmaps')!;
const pods = findResource('', 'v1', 'pods')!;

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
};
const named = (more: Record<string, unknown>, metadata = {}): KubeObject => ({
  metadata: { name: 'x', namespace: 'n', ...metadata },
  ...more,
});
const entriesOf = (object: KubeObject): ManagedFieldsEntry[] => object.metadata.managedFields ?? [];
const fieldsOf = (object: KubeObject, manager: string): unknown => entriesOf(object).find((entry) => entry.manager === manager)?.fieldsV1;

const web = (replicas: number, image = 'nginx'): Record<string, unknown> => ({
  spec: {
    replicas,
    selector: { matchLabels: { app: 'web' } },
    strategy: {},
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'nginx', image, resources: {} }] } },
  },
});

describe('tracking updates', () => {
  const track = (live: KubeObject | undefined, updated: KubeObject, manager = 'kubectl-create', subresource = '', now = NOW): KubeObject =>
    trackUpdate({ info: deployments, live: frozen(live), updated: frozen(updated), manager, subresource, now });

  const created = track(undefined, named({ ...web(1), status: { replicas: 0 } }, { uid: 'u', labels: { app: 'web' } }));

  test('a create owns all that it sets, as upstream writes it', () => {
    assert.deepEqual(entriesOf(created), [
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time: '2026-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:selector': {},
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              'f:spec': { 'f:containers': { 'k:{"name":"nginx"}': { '.': {}, 'f:image': {}, 'f:name': {}, 'f:resources': {} } } },
            },
          },
        },
      },
    ]);
  });

  test('another writer takes over what it changes', () => {
    const next = track(created, named({ ...web(2), status: {} }, { uid: 'u', labels: { app: 'web' } }), 'scaler', '', LATER);
    assert.deepEqual(fieldsOf(next, 'scaler'), { 'f:spec': { 'f:replicas': {} } });
    assert.equal('f:replicas' in (fieldsOf(next, 'kubectl-create') as { 'f:spec': object })['f:spec'], false);
    assert.equal(entriesOf(next).find(({ manager }) => manager === 'kubectl-create')!.time, '2026-01-01T00:00:00Z');
  });

  test('a write that changes nothing leaves the entries alone', () => {
    const next = track(
      created,
      named({ ...web(1), status: {} }, { uid: 'u', resourceVersion: '9', labels: { app: 'web' } }),
      'other',
      '',
      LATER,
    );
    assert.equal(next.metadata.managedFields, created.metadata.managedFields);
  });

  test('what is removed is nobody’s any more', () => {
    const next = track(created, named({ ...web(1), status: {} }, { uid: 'u' }), 'other', '', LATER);
    assert.equal(entriesOf(next).length, 1);
    assert.equal('f:metadata' in (fieldsOf(next, 'kubectl-create') as object), false);
  });

  test('the status has owners of its own', () => {
    const next = track(created, { ...created, status: { replicas: 1, readyReplicas: 1 } }, 'controller', 'status', LATER);
    const entry = entriesOf(next).find(({ manager }) => manager === 'controller')!;
    assert.equal(entry.subresource, 'status');
    assert.deepEqual(entry.fieldsV1, { 'f:status': { 'f:readyReplicas': {}, 'f:replicas': {} } });
  });

  test('items of a list are known by their keys', () => {
    const conditions = [{ type: 'Ready', status: 'True' }];
    const live = named(
      { spec: {}, status: { phase: 'Pending' } },
      {
        managedFields: [
          { manager: 'm', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:spec': { 'f:nodeName': {} } } },
        ],
      },
    );
    const next = trackUpdate({
      info: pods,
      live,
      updated: { ...live, status: { phase: 'Pending', conditions } },
      manager: 'kubelet',
      subresource: 'status',
      now: NOW,
    });
    assert.deepEqual(fieldsOf(next, 'kubelet'), {
      'f:status': { 'f:conditions': { '.': {}, 'k:{"type":"Ready"}': { '.': {}, 'f:status': {}, 'f:type': {} } } },
    });
  });

  for (const managedFields of [[], [{}]]) {
    test(`${JSON.stringify(managedFields)} forgets, and stays forgotten`, () => {
      const reset = track(created, named({ ...web(5), status: {} }, { managedFields }));
      assert.equal('managedFields' in reset.metadata, false);
      assert.equal('managedFields' in track(reset, named({ ...web(6), status: {} }), 'other').metadata, false);
    });
  }

  test('too many writers are merged into one', () => {
    let object = trackUpdate({
      info: configMaps,
      live: undefined,
      updated: named({ data: { k0: '' } }),
      manager: 'm0',
      subresource: '',
      now: NOW,
    });
    for (let i = 1; i < 15; i++) {
      const updated = { ...object, data: { ...(object['data'] as object), [`k${i}`]: '' } };
      object = trackUpdate({ info: configMaps, live: object, updated, manager: `m${i}`, subresource: '', now: NOW + i * 1000 });
    }
    assert.equal(entriesOf(object).length, 10);
    assert.deepEqual(Object.keys((fieldsOf(object, 'ancient-changes') as { 'f:data': object })['f:data']), [
      '.',
      'f:k0',
      'f:k1',
      'f:k2',
      'f:k3',
      'f:k4',
      'f:k5',
    ]);
  });
});

describe('apply', () => {
  const apply = (
    live: KubeObject | undefined,
    applied: KubeObject,
    options: { manager?: string; force?: boolean; info?: typeof deployments; now?: number } = {},
  ): KubeObject => {
    const { manager = 'me', force = false, info = deployments, now = NOW } = options;
    return applyObject({ info, live: frozen(live), applied: frozen(applied), manager, force, subresource: '', now }).object;
  };

  test('creates, and owns what it states', () => {
    const object = apply(undefined, named({ data: { a: '1' } }, { labels: { app: 'web' } }), { info: configMaps });
    assert.deepEqual(object['data'], { a: '1' });
    assert.deepEqual(entriesOf(object), [
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion: 'v1',
        time: '2026-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: { 'f:data': { 'f:a': {} }, 'f:metadata': { 'f:labels': { 'f:app': {} } } },
      },
    ]);
  });

  test('removes what it stated before and does not now', () => {
    const first = apply(undefined, named({ data: { a: '1', b: '2' } }), { info: configMaps });
    const second = apply(first, named({ data: { b: '3' } }), { info: configMaps });
    assert.deepEqual(second['data'], { b: '3' });
  });

  test('keeps what others own', () => {
    const first = apply(undefined, named({ data: { a: '1', b: '2' } }), { info: configMaps });
    const shared = apply(first, named({ data: { a: '1' } }), { info: configMaps, manager: 'other' });
    const second = apply(shared, named({ data: { b: '2' } }), { info: configMaps });
    assert.deepEqual(second['data'], { a: '1', b: '2' });
    assert.deepEqual(apply(second, named({}), { info: configMaps, manager: 'other' })['data'], { b: '2' });
  });

  test('the same configuration again changes nothing', () => {
    const applied = named(web(1));
    const first = apply(undefined, applied);
    const again = applyObject({
      info: deployments,
      live: first,
      applied: cloneJson(applied),
      manager: 'me',
      force: false,
      subresource: '',
      now: LATER,
    });
    assert.deepEqual([again.changed, again.object], [false, first]);
  });

  const live = trackUpdate({
    info: deployments,
    live: undefined,
    updated: named(web(1)),
    manager: 'kubectl-client-side-apply',
    subresource: '',
    now: NOW,
  });

  test('one conflict, in upstream’s words', () => {
    assert.throws(
      () => apply(live, named({ spec: { replicas: 3 } })),
      (error) => {
        assert.ok(error instanceof StatusError);
        assert.equal(
          error.message,
          'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas',
        );
        assert.deepEqual(
          [error.code, error.status.details?.causes],
          [
            409,
            [
              {
                reason: 'FieldManagerConflict',
                message: 'conflict with "kubectl-client-side-apply" using apps/v1',
                field: '.spec.replicas',
              },
            ],
          ],
        );
        return true;
      },
    );
  });

  test('several conflicts', () => {
    assert.throws(() => apply(live, named({ spec: web(3, 'httpd')['spec'] })), {
      message:
        'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name="nginx"].image',
    });
  });

  test('forced, the field changes hands', () => {
    const object = apply(live, named({ spec: { replicas: 3 } }), { force: true });
    assert.equal((object['spec'] as { replicas: number }).replicas, 3);
    assert.deepEqual(fieldsOf(object, 'me'), { 'f:spec': { 'f:replicas': {} } });
    assert.equal('f:replicas' in (fieldsOf(object, 'kubectl-client-side-apply') as { 'f:spec': object })['f:spec'], false);
  });

  test('agreeing is no conflict', () => assert.equal(entriesOf(apply(live, named({ spec: { replicas: 1 } }))).length, 2));

  test('an object without owners belongs to before-first-apply', () => {
    assert.throws(
      () => apply(named(web(1)), named({ spec: { replicas: 3 } })),
      /conflict with "before-first-apply" using apps\/v1: \.spec\.replicas/,
    );
  });

  test('a container that one applier drops goes whole, defaults and all', () => {
    const two = {
      spec: {
        template: {
          spec: {
            containers: [
              { name: 'a', image: '1' },
              { name: 'b', image: '1' },
            ],
          },
        },
      },
    };
    const first = apply(undefined, named(two));
    const stored = cloneJson(first) as KubeObject & { spec: { template: { spec: { containers: Record<string, unknown>[] } } } };
    for (const container of stored.spec.template.spec.containers) container['imagePullPolicy'] = 'Always';
    const second = apply(stored, named({ spec: { template: { spec: { containers: [{ name: 'b', image: '2' }] } } } }));
    assert.deepEqual((second as typeof stored).spec.template.spec.containers, [{ name: 'b', image: '2', imagePullPolicy: 'Always' }]);
  });

  test('keys that are left out stand for their defaults', () => {
    const object = apply(undefined, named({ spec: { ports: [{ port: 80 }] } }), { info: services });
    assert.deepEqual(fieldsOf(object, 'me'), { 'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } } } });
  });

  const refused: { name: string; applied: KubeObject; message: RegExp }[] = [
    {
      name: 'two items with one key',
      applied: named({ spec: { template: { spec: { containers: [{ name: 'a' }, { name: 'a' }] } } } }),
      message:
        /failed to create typed patch object \(n\/x; apps\/v1, Kind=Deployment\): \.spec\.template\.spec\.containers: duplicate entries for key \[name="a"\]/,
    },
    {
      name: 'an item without its key',
      applied: named({ spec: { template: { spec: { containers: [{ image: 'a' }] } } } }),
      message: /element 0: associative list with keys has an element that omits key field "name"/,
    },
    {
      name: 'managedFields in the configuration',
      applied: named({}, { managedFields: [{ manager: 'x' }] }),
      message: /metadata\.managedFields must be nil/,
    },
  ];
  for (const { name, applied, message } of refused) test(`refuses ${name}`, () => assert.throws(() => apply(undefined, applied), message));

  const orders: { name: string; live: string[]; applied: string[]; expected: string[] }[] = [
    { name: 'server only stays in front', live: ['a'], applied: ['b'], expected: ['a', 'b'] },
    { name: 'applied order wins', live: ['a', 'b'], applied: ['b', 'a'], expected: ['b', 'a'] },
    { name: 'server only between shared', live: ['a', 's', 'b'], applied: ['a', 'n', 'b'], expected: ['a', 's', 'n', 'b'] },
  ];
  for (const { name, live: before, applied, expected } of orders) {
    test(`order: ${name}`, () => {
      const containers = (names: string[]): Record<string, unknown> => ({
        spec: { template: { spec: { containers: names.map((each) => ({ name: each })) } } },
      });
      const merged = apply(named(containers(before)), named(containers(applied)), { force: true }) as KubeObject & {
        spec: { template: { spec: { containers: { name: string }[] } } };
      };
      assert.deepEqual(
        merged.spec.template.spec.containers.map((container) => container.name),
        expected,
      );
    });
  }
});
