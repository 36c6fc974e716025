import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { notReady, running, withWorkloads, type WorkloadWorld } from '../../../test/fixtures/workload-world.ts';
import type { Deployment, DeploymentSpec, PodTemplateSpec, ReplicaSet } from '../../api/types.gen.ts';
import { DEPLOYMENTS, PODS, REPLICA_SETS } from '../../client/resources.ts';
import { stableHash } from '../rollout/template-hash.ts';
import { earlierRevisionFirst, revisionOf } from './revisions.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function template(image: string): PodTemplateSpec {
  return {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image }] },
  };
}

function deployment(spec: Partial<DeploymentSpec> = {}): Deployment {
  return {
    metadata: { name: 'web' },
    spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: template('nginx:1'), ...spec },
  };
}

function settled({ admin }: WorkloadWorld, updated: number, total = updated): Promise<Deployment> {
  return eventually(async () => {
    const found = await admin.resource(DEPLOYMENTS, NS).get('web');
    const { observedGeneration, updatedReplicas = 0, availableReplicas = 0, replicas = 0 } = found.status ?? {};
    assert.deepEqual(
      [observedGeneration, updatedReplicas, replicas, availableReplicas],
      [found.metadata.generation, updated, total, total],
    );
    return found;
  }, soon);
}

async function replicaSets({ admin }: WorkloadWorld): Promise<ReplicaSet[]> {
  const { items } = await admin.resource(REPLICA_SETS, NS).list();
  return items.toSorted(earlierRevisionFirst);
}

async function sizes(world: WorkloadWorld): Promise<(number | undefined)[]> {
  return (await replicaSets(world)).map(({ spec }) => spec?.replicas);
}

test('a Deployment is rolled out, changed, rolled back, scaled and trimmed', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const deployments = admin.resource(DEPLOYMENTS, NS);
    await deployments.create(deployment({ revisionHistoryLimit: 1 }));
    const first = await settled(world, 3);
    const [one] = await replicaSets(world);
    assert.match(one!.metadata.name!, /^web-[b-z2-9]{7,10}$/);
    const hash = one!.metadata.labels!['pod-template-hash'];
    assert.equal(one!.metadata.name, `web-${hash}`);
    assert.deepEqual(one!.metadata.annotations, {
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
      'deployment.kubernetes.io/revision': '1',
    });
    assert.equal(first.metadata.annotations!['deployment.kubernetes.io/revision'], '1');
    const finished = await eventually(async () => {
      const { status } = await deployments.get('web');
      const texts = status!.conditions!.map(({ type, status, reason, message }) => `${type}=${status} ${reason}: ${message}`);
      assert.deepEqual(texts, [
        'Available=True MinimumReplicasAvailable: Deployment has minimum availability.',
        `Progressing=True NewReplicaSetAvailable: ReplicaSet "web-${hash}" has successfully progressed.`,
      ]);
      return status!;
    }, soon);
    assert.equal(finished.terminatingReplicas, 0);
    await eventually(
      async () =>
        assert.ok((await world.events(NS, 'web')).includes(`Normal ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`)),
      soon,
    );

    await deployments.patch('web', 'strategic', { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } });
    await settled(world, 3);
    assert.deepEqual(
      (await replicaSets(world)).map((each) => [revisionOf(each), each.spec!.replicas]),
      [
        [1n, 0],
        [2n, 3],
      ],
    );

    // kubectl rollout undo puts the old template back.
    await deployments.patch('web', 'json', [{ op: 'replace', path: '/spec/template', value: template('nginx:1') }]);
    const undone = await settled(world, 3);
    assert.equal(undone.metadata.annotations!['deployment.kubernetes.io/revision'], '3');
    const back = (await replicaSets(world)).at(-1)!;
    assert.deepEqual(
      [back.metadata.name, back.metadata.annotations!['deployment.kubernetes.io/revision-history']],
      [one!.metadata.name, '1'],
    );

    await deployments.patch('web', 'merge', { spec: { replicas: 5 } });
    await settled(world, 5);
    assert.equal((await replicaSets(world)).at(-1)!.metadata.annotations!['deployment.kubernetes.io/max-replicas'], '7');
    await deployments.patch('web', 'merge', { spec: { replicas: 0 } });
    await settled(world, 0);

    await deployments.patch('web', 'json', [{ op: 'replace', path: '/spec/template', value: template('nginx:3') }]);
    await eventually(async () => assert.deepEqual((await replicaSets(world)).map(revisionOf), [3n, 4n]), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a rollout that does not become ready stops within its limits, is proportionally scaled, and misses its deadline', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const deployments = admin.resource(DEPLOYMENTS, NS);
    await deployments.create(
      deployment({
        replicas: 10,
        progressDeadlineSeconds: 2,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
      }),
    );
    await settled(world, 10);
    world.behave = (pod) => (pod.spec!.containers[0]!.image === 'broken' ? notReady(pod) : running(pod));
    await deployments.patch('web', 'strategic', { spec: { template: { spec: { containers: [{ name: 'web', image: 'broken' }] } } } });
    await eventually(async () => assert.deepEqual(await sizes(world), [8, 5]), soon);
    await deployments.patch('web', 'merge', { spec: { replicas: 15 } });
    await eventually(async () => assert.deepEqual(await sizes(world), [11, 7]), soon);
    await eventually(async () => {
      const { status } = await deployments.get('web');
      const [, newer] = await replicaSets(world);
      const { status: is, reason, message } = status!.conditions!.find(({ type }) => type === 'Progressing')!;
      assert.deepEqual(
        [is, reason, message],
        ['False', 'ProgressDeadlineExceeded', `ReplicaSet "${newer!.metadata.name}" has timed out progressing.`],
      );
    }, soon);
    world.behave = running;
    world.nudge();
    await settled(world, 15);
    assert.deepEqual(world.logged, []);
  }));

test('a paused Deployment is scaled but not rolled out', () =>
  withWorkloads(async (world) => {
    const deployments = world.admin.resource(DEPLOYMENTS, NS);
    await deployments.create(deployment());
    await settled(world, 3);
    await deployments.patch('web', 'strategic', {
      spec: { paused: true, replicas: 4, template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } },
    });
    await settled(world, 0, 4);
    assert.deepEqual(await sizes(world), [4]);
    const { status } = await deployments.get('web');
    assert.equal(status!.conditions!.find(({ type }) => type === 'Progressing')!.reason, 'DeploymentPaused');
    await deployments.patch('web', 'merge', { spec: { paused: false } });
    await settled(world, 4);
    assert.deepEqual(await sizes(world), [0, 4]);
  }));

test('Recreate lets all old pods go before the first new one comes', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const deployments = admin.resource(DEPLOYMENTS, NS);
    await deployments.create(deployment({ strategy: { type: 'Recreate' } }));
    await settled(world, 3);
    const seen = new Set<string>();
    const pods = admin.informer(PODS);
    const images = () => new Set(pods.list().map(({ spec }) => spec!.containers[0]!.image));
    pods.subscribe({ added: () => seen.add([...images()].join('+')) });
    await deployments.patch('web', 'strategic', { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } });
    await settled(world, 3);
    assert.deepEqual([...seen], ['nginx:1', 'nginx:2']);
    assert.deepEqual(world.logged, []);
  }));

test('a ReplicaSet without an owner is adopted; a name that is taken leads to another hash', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const sets = admin.resource(REPLICA_SETS, NS);
    const orphan: ReplicaSet = {
      metadata: { name: 'by-hand', labels: { app: 'web' } },
      spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template('nginx:1') },
    };
    await sets.create(orphan);
    const { metadata } = await admin.resource(DEPLOYMENTS, NS).create(deployment());
    await settled(world, 3);
    assert.deepEqual(
      (await replicaSets(world)).map((each) => [each.metadata.name, each.metadata.ownerReferences![0]!.uid]),
      [['by-hand', metadata.uid]],
    );

    const other = { ...deployment({ selector: { matchLabels: { app: 'other' } } }), metadata: { name: 'other' } };
    other.spec!.template = { ...template('nginx:1'), metadata: { labels: { app: 'other' } } };
    const squatter: ReplicaSet = {
      ...orphan,
      metadata: { name: `other-${stableHash(await defaulted(admin, other))}` },
    };
    await sets.create(squatter);
    await admin.resource(DEPLOYMENTS, NS).create(other);
    await eventually(async () => {
      const { status } = await admin.resource(DEPLOYMENTS, NS).get('other');
      assert.deepEqual([status?.collisionCount, status?.availableReplicas], [1, 3]);
    }, soon);
  }));

test('a Deployment that asks for it goes back to an earlier revision, once', () =>
  withWorkloads(async (world) => {
    const deployments = world.admin.resource(DEPLOYMENTS, NS);
    await deployments.create(deployment());
    await settled(world, 3);
    await deployments.patch('web', 'json', [
      { op: 'replace', path: '/spec/template', value: template('nginx:2') },
      { op: 'add', path: '/metadata/annotations/note', value: 'second' },
    ]);
    await settled(world, 3);
    const goBack = async (revision: string, event: string): Promise<Deployment> => {
      await deployments.patch('web', 'merge', { metadata: { annotations: { 'deprecated.deployment.rollback.to': revision } } });
      await eventually(async () => assert.ok((await world.events(NS, 'web')).includes(event), event), soon);
      return settled(world, 3);
    };
    await goBack('9', 'Warning DeploymentRollbackRevisionNotFound: Unable to find the revision to rollback to.');
    await goBack(
      '2',
      'Warning DeploymentRollbackTemplateUnchanged: The rollback revision contains the same template as current deployment "web"',
    );
    const back = await goBack('0', 'Normal DeploymentRollback: Rolled back deployment "web" to revision 1');
    assert.equal(back.spec!.template.spec!.containers[0]!.image, 'nginx:1');
    assert.deepEqual(back.spec!.template.metadata!.labels, { app: 'web' });
    assert.deepEqual(back.metadata.annotations, { 'deployment.kubernetes.io/revision': '3' });
    assert.deepEqual(world.logged, []);
  }));

/** The template as the server stores it. */
async function defaulted(admin: WorkloadWorld['admin'], { spec }: Deployment): Promise<PodTemplateSpec> {
  const made = await admin.resource(DEPLOYMENTS, NS).create({ metadata: { name: 'probe' }, spec: { ...spec!, paused: true } });
  await admin.resource(DEPLOYMENTS, NS).delete('probe');
  return made.spec!.template;
}
