import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRng } from '../../lib/random.ts';
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo, Schema } from '../schema/schema.ts';
import { findResource } from '../scheme.ts';
import { deletionGrace } from './deletion.ts';
import { prepareForCreate, prepareForUpdate, prepareStatusUpdate } from './prepare.ts';
import { qosClassOf } from './qos.ts';
import { applyScale, scaleOf } from './scale.ts';
import { zeroOf } from './zero.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const create = (info: ResourceInfo, object: Record<string, unknown>): KubeObject =>
  prepareForCreate(info, { metadata: { name: 'x' }, ...object }, NOW, seededRng(1));
const deployments = findResource('apps', 'v1', 'deployments')!;
const pods = findResource('', 'v1', 'pods')!;

describe('create', () => {
  test('system metadata is the server’s', () => {
    const { metadata } = prepareForCreate(
      deployments,
      { metadata: { name: 'x', generation: 9, deletionTimestamp: '2020-01-01T00:00:00Z' } },
      NOW,
      seededRng(1),
    );
    assert.match(metadata.uid!, /^[0-9a-f-]{36}$/);
    assert.deepEqual({ ...metadata, uid: '' }, { name: 'x', uid: '', generation: 1, creationTimestamp: '2026-01-02T03:04:05Z' });
  });

  test('a status sent along is dropped', () => assert.deepEqual(create(deployments, { status: { replicas: 5 } })['status'], {}));

  test('a pod begins Pending with its class', () =>
    assert.deepEqual(create(pods, { spec: { containers: [{ name: 'a' }] }, status: { phase: 'Running' } })['status'], {
      phase: 'Pending',
      qosClass: 'BestEffort',
    }));

  test('a gated pod says why it waits', () => {
    const { conditions } = create(pods, { spec: { schedulingGates: [{ name: 'g' }] } })['status'] as { conditions: { reason: string }[] };
    assert.equal(conditions[0]!.reason, 'SchedulingGated');
  });

  test('a namespace gets its finalizer', () => {
    const made = create(findResource('', 'v1', 'namespaces')!, {});
    assert.deepEqual([made['spec'], made['status']], [{ finalizers: ['kubernetes'] }, { phase: 'Active' }]);
  });

  test('a node keeps the status that it registers with', () =>
    assert.deepEqual(create(findResource('', 'v1', 'nodes')!, { status: { capacity: { cpu: '2' } } })['status'], {
      capacity: { cpu: '2' },
    }));

  test('a Job selects its own pods', () => {
    const job = create(findResource('batch', 'v1', 'jobs')!, { spec: { template: { metadata: { labels: { a: 'b' } } } } });
    const { uid } = job.metadata;
    assert.deepEqual(job['spec'], {
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } },
      template: {
        metadata: {
          labels: {
            a: 'b',
            'controller-uid': uid,
            'batch.kubernetes.io/controller-uid': uid,
            'job-name': 'x',
            'batch.kubernetes.io/job-name': 'x',
          },
        },
      },
    });
  });
});

describe('update', () => {
  const old: KubeObject = {
    metadata: { name: 'x', uid: 'u', creationTimestamp: 't', generation: 3, resourceVersion: '7' },
    spec: { replicas: 1 },
    status: { replicas: 1 },
  };
  const cases: { name: string; change: Partial<KubeObject>; generation: number }[] = [
    { name: 'a change of the spec counts', change: { spec: { replicas: 2 } }, generation: 4 },
    { name: 'an empty list is no change', change: { spec: { replicas: 1, list: [] } }, generation: 3 },
    { name: 'a label does not count', change: { metadata: { name: 'x', labels: { a: 'b' } } }, generation: 3 },
    { name: 'an annotation of a Deployment counts', change: { metadata: { name: 'x', annotations: { a: 'b' } } }, generation: 4 },
    { name: 'a client’s generation does not count', change: { metadata: { name: 'x', generation: 99 } }, generation: 3 },
  ];
  for (const { name, change, generation } of cases) {
    test(name, () => {
      const next = prepareForUpdate(deployments, { ...old, ...change, status: { replicas: 9 } }, old);
      assert.equal(next.metadata.generation, generation);
      assert.deepEqual(next['status'], { replicas: 1 });
      assert.equal(next.metadata.uid, 'u');
    });
  }

  test('the status subresource writes nothing but the status', () => {
    const next = prepareStatusUpdate(
      deployments,
      { metadata: { name: 'x', labels: { no: 'no' }, annotations: { yes: 'yes' } }, spec: { replicas: 5 }, status: { replicas: 2 } },
      old,
      0,
    );
    assert.deepEqual(next, {
      metadata: { name: 'x', uid: 'u', creationTimestamp: 't', generation: 3, annotations: { yes: 'yes' } },
      spec: { replicas: 1 },
      status: { replicas: 2 },
    });
  });

  test('an object being deleted stays so', () => {
    const dying = { ...old, metadata: { ...old.metadata, deletionTimestamp: 'd', deletionGracePeriodSeconds: 0 } };
    assert.equal(prepareForUpdate(deployments, { metadata: { name: 'x' } }, dying).metadata.deletionTimestamp, 'd');
  });
});

describe('scale', () => {
  const object: KubeObject = {
    metadata: { name: 'x', namespace: 'n', resourceVersion: '5' },
    spec: { replicas: 2, selector: { matchLabels: { app: 'web' } } },
    status: { replicas: 1 },
  };

  test('is read', () => {
    assert.deepEqual(scaleOf(deployments, object), {
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name: 'x', namespace: 'n', resourceVersion: '5' },
      spec: { replicas: 2 },
      status: { replicas: 1, selector: 'app=web' },
    });
  });

  test('is written', () => {
    assert.equal((applyScale(deployments, object, { spec: { replicas: 7 } })['spec'] as { replicas: number }).replicas, 7);
    assert.equal((applyScale(deployments, object, { spec: {} })['spec'] as { replicas: number }).replicas, 0);
    assert.equal((object['spec'] as { replicas: number }).replicas, 2);
  });
});

describe('deletion grace', () => {
  const running = { metadata: {}, spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 }, status: { phase: 'Running' } };
  const cases: { name: string; object: KubeObject; requested?: number; expected: number }[] = [
    { name: 'its own', object: running, expected: 30 },
    { name: 'as asked', object: running, requested: 5, expected: 5 },
    { name: 'negative becomes one second', object: running, requested: -1, expected: 1 },
    { name: 'none when not scheduled', object: { metadata: {}, spec: { terminationGracePeriodSeconds: 30 } }, expected: 0 },
    { name: 'none when finished', object: { ...running, status: { phase: 'Succeeded' } }, expected: 0 },
  ];
  for (const { name, object, requested, expected } of cases)
    test(name, () => assert.equal(deletionGrace(pods, object, requested), expected));
  test('only pods have any', () => assert.equal(deletionGrace(deployments, running, 30), 0));
});

describe('quality of service', () => {
  const pod = (...resources: unknown[]): never =>
    ({ metadata: {}, spec: { containers: resources.map((each) => ({ resources: each })) } }) as never;
  const cases: { name: string; resources: unknown[]; expected: string }[] = [
    { name: 'nothing said', resources: [{}, undefined], expected: 'BestEffort' },
    { name: 'limits alone', resources: [{ limits: { cpu: '1', memory: '1Gi' } }], expected: 'Guaranteed' },
    {
      name: 'equal in other words',
      resources: [{ limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1000m', memory: '1024Mi' } }],
      expected: 'Guaranteed',
    },
    { name: 'one container without', resources: [{ limits: { cpu: '1', memory: '1Gi' } }, {}], expected: 'Burstable' },
    { name: 'requests alone', resources: [{ requests: { cpu: '1' } }], expected: 'Burstable' },
  ];
  for (const { name, resources, expected } of cases) test(name, () => assert.equal(qosClassOf(pod(...resources)), expected));
});

test('the zero value of a struct', () => {
  const schema: Schema = {
    type: 'object',
    fields: {
      n: { schema: { type: 'integer' }, keepZero: true },
      o: { schema: { type: 'object', fields: {} }, keepZero: true },
      l: { schema: { type: 'array' }, keepZero: true },
      s: { schema: { type: 'string' } },
    },
  };
  assert.deepEqual(zeroOf(schema), { n: 0, o: {}, l: null });
});
