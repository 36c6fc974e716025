import assert from 'node:assert/strict';
import { CoreV1Api, type V1LimitRange, type V1Pod } from '@kubernetes/client-node';
import { conformance, IMAGES, isStatus, until, type World } from '../harness.ts';

const MIB = 1024 * 1024;

type Amounts = Record<'cpu' | 'memory' | 'ephemeral-storage', string>;

const amounts = (cpu: string, memoryMiB: number, storageGiB: number): Amounts => ({
  cpu,
  memory: `${memoryMiB}Mi`,
  'ephemeral-storage': `${storageGiB}Gi`,
});

function limitRange(name: string, labels: Record<string, string> = {}): V1LimitRange {
  return {
    metadata: { name, labels },
    spec: {
      limits: [
        {
          type: 'Container',
          min: amounts('50m', 100, 100),
          max: amounts('500m', 500, 500),
          _default: amounts('500m', 500, 500),
          defaultRequest: amounts('100m', 200, 200),
          maxLimitRequestRatio: {},
        },
      ],
    },
  };
}

function pod(name: string, requests?: Partial<Amounts>, limits?: Partial<Amounts>): V1Pod {
  const resources = { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) };
  return { metadata: { name }, spec: { containers: [{ name: 'main', image: IMAGES.shell, imagePullPolicy: 'IfNotPresent', resources }] } };
}

const bytes = (quantity: string): number => {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity)!;
  return Number(number) * (unit === 'Gi' ? 1024 * MIB : MIB);
};

const sameAmounts = (actual: Record<string, string>, expected: Amounts): void => {
  assert.equal(actual['cpu'], expected.cpu);
  assert.equal(bytes(actual['memory']!), bytes(expected.memory));
  assert.equal(bytes(actual['ephemeral-storage']!), bytes(expected['ephemeral-storage']));
};

async function refused(world: World, body: V1Pod): Promise<void> {
  const core = world.api(CoreV1Api);
  await assert.rejects(core.createNamespacedPod({ namespace: world.namespace, body }), (error) => isStatus(error, 403));
}

conformance('scheduling', 'LimitRange', {}, (behaviour) => {
  behaviour('should create a LimitRange with defaults and ensure pod has those defaults applied.', async (world) => {
    const core = world.api(CoreV1Api);
    const { namespace } = world;
    const watched: string[] = [];
    await core.createNamespacedLimitRange({ namespace, body: limitRange('limits') });
    const stored = await core.readNamespacedLimitRange({ namespace, name: 'limits' });
    const [item] = stored.spec!.limits;
    sameAmounts(item!._default!, amounts('500m', 500, 500));
    sameAmounts(item!.defaultRequest!, amounts('100m', 200, 200));
    watched.push(...(await core.listNamespacedLimitRange({ namespace })).items.map(({ metadata }) => metadata!.name!));
    assert.deepEqual(watched, ['limits']);

    // Without amounts of its own a container has the defaults; what it states stays, a limit alone is also its request.
    const bare = await core.createNamespacedPod({ namespace, body: pod('bare') });
    sameAmounts(bare.spec!.containers[0]!.resources!.requests!, amounts('100m', 200, 200));
    sameAmounts(bare.spec!.containers[0]!.resources!.limits!, amounts('500m', 500, 500));
    const partial = await core.createNamespacedPod({
      namespace,
      body: pod('partial', { cpu: '200m', memory: '150Mi' }, { cpu: '300m', 'ephemeral-storage': '150Gi' }),
    });
    sameAmounts(partial.spec!.containers[0]!.resources!.requests!, amounts('200m', 150, 150));
    sameAmounts(partial.spec!.containers[0]!.resources!.limits!, { cpu: '300m', memory: '500Mi', 'ephemeral-storage': '150Gi' });

    await refused(world, pod('too-small', amounts('10m', 50, 50)));
    await refused(world, pod('too-big', amounts('600m', 600, 600), amounts('600m', 600, 600)));

    // What the range says now counts for the next pod.
    stored.spec!.limits[0]!.min = amounts('9m', 49, 49);
    await core.replaceNamespacedLimitRange({ namespace, name: 'limits', body: stored });
    await until(
      () =>
        core.createNamespacedPod({ namespace, body: pod('small', amounts('10m', 50, 50)) }).then(
          () => true as const,
          (error: unknown) => {
            if (!isStatus(error, 403)) throw error;
            return false as const;
          },
        ),
      'the lower minimum',
    );
    await refused(world, pod('still-too-big', amounts('600m', 600, 600), amounts('600m', 600, 600)));

    await core.deleteNamespacedLimitRange({ namespace, name: 'limits' });
    await until(async () => (await core.listNamespacedLimitRange({ namespace })).items.length === 0, 'the end of the range');
    await until(
      () =>
        core.createNamespacedPod({ namespace, body: pod('no-longer-too-big', amounts('600m', 600, 600), amounts('600m', 600, 600)) }).then(
          () => true as const,
          (error: unknown) => {
            if (!isStatus(error, 403)) throw error;
            return false as const;
          },
        ),
      'no limits',
    );
  });

  behaviour('should list, patch and delete a LimitRange by collection', async (world) => {
    const core = world.api(CoreV1Api);
    const { namespace } = world;
    const other = await world.createNamespace();
    const label = `range-${namespace}`;
    const labelSelector = `e2e=${label}`;
    for (const each of [namespace, other])
      await core.createNamespacedLimitRange({ namespace: each, body: limitRange('range', { e2e: label }) });
    assert.equal((await core.listLimitRangeForAllNamespaces({ labelSelector })).items.length, 2);

    const patched = await world.request({
      method: 'PATCH',
      path: `/api/v1/namespaces/${namespace}/limitranges/range`,
      body: { metadata: { labels: { patched: 'yes' } }, spec: { limits: [{ type: 'Container', min: { cpu: '40m' } }] } },
      headers: { 'content-type': 'application/strategic-merge-patch+json' },
    });
    assert.equal(patched.status, 200);
    const { metadata, spec } = patched.json<V1LimitRange>();
    assert.equal(metadata!.labels!['patched'], 'yes');
    assert.equal(spec!.limits[0]!.min!['cpu'], '40m');

    await core.deleteCollectionNamespacedLimitRange({ namespace, labelSelector: 'patched=yes' });
    await until(
      async () => (await core.listNamespacedLimitRange({ namespace, labelSelector: 'patched=yes' })).items.length === 0,
      'deletion',
    );
    const left = (await core.listLimitRangeForAllNamespaces({ labelSelector })).items;
    assert.deepEqual(
      left.map((each) => each.metadata!.namespace),
      [other],
    );
  });
});
