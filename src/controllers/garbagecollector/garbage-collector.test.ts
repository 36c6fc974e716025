import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import type { KubeObject, ObjectWithMeta } from '../../api/meta.ts';
import { statusError } from '../../api/status.ts';
import type { OwnerReference } from '../../api/types.gen.ts';
import type { ResourceType } from '../../client/client.ts';
import { CLUSTER_ROLES, CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, PODS, REPLICA_SETS } from '../../client/resources.ts';
import { createGarbageCollector } from './garbage-collector.ts';

function ownedBy(owner: ObjectWithMeta, { block = true } = {}): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion: apiVersion!, kind: kind!, name: metadata.name!, uid: metadata.uid!, blockOwnerDeletion: block };
}

function cluster({ api, context }: ControllerWorld) {
  const make = <T extends ObjectWithMeta>(
    type: ResourceType<T>,
    name: string,
    owners: readonly OwnerReference[] = [],
    namespace = 'default',
  ): Promise<T> => {
    const metadata = { name, ...(owners.length > 0 ? { ownerReferences: [...owners] } : {}) };
    return context.client.resource(type, type.namespaced ? namespace : undefined).create({ metadata } as T);
  };
  const family = async (block = true) => {
    const deployment = await make(DEPLOYMENTS, 'web');
    const replicaSet = await make(REPLICA_SETS, 'web-1', [ownedBy(deployment, { block })]);
    const pod = await make(PODS, 'web-1-a', [ownedBy(replicaSet, { block })]);
    return { deployment, replicaSet, pod };
  };
  const all = (): string[] =>
    [DEPLOYMENTS, REPLICA_SETS, PODS, CONFIG_MAPS, CLUSTER_ROLES].flatMap((type) =>
      api.all(type as ResourceType).map(({ metadata }) => metadata.name!),
    );
  return { make, family, all, start: () => createGarbageCollector(context, { startDelayMs: 0 }) };
}

test('background: what was owned goes after its owner, generation by generation; others stay', () =>
  withControllers(async (world) => {
    const { make, family, all, start } = cluster(world);
    await family();
    await make(CONFIG_MAPS, 'free');
    await world.start(start());
    await world.pass(3000);
    assert.deepEqual(all(), ['web', 'web-1', 'web-1-a', 'free']);
    await world.context.client.resource(DEPLOYMENTS, 'default').delete('web', { propagationPolicy: 'Background' });
    await world.pass(100);
    assert.deepEqual(all(), ['free']);
    assert.deepEqual(world.logged, []);
  }));

test('an owner that was deleted while nobody looked', () =>
  withControllers(async (world) => {
    const { family, all, start } = cluster(world);
    await family();
    await world.context.client.resource(DEPLOYMENTS, 'default').delete('web');
    await world.start(start());
    await world.pass(5000);
    assert.deepEqual(all(), []);
  }));

test('foreground: the owner waits for dependents that block it', () =>
  withControllers(async (world) => {
    const { api, context } = world;
    const { family, all, start } = cluster(world);
    await family();
    await world.start(start());
    await world.pass(2000);
    await context.client.resource(PODS, 'default').patch('web-1-a', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await context.client.resource(DEPLOYMENTS, 'default').delete('web', { propagationPolicy: 'Foreground' });
    await world.pass(1000);
    assert.deepEqual(all(), ['web', 'web-1', 'web-1-a']);
    assert.ok(
      api.all(REPLICA_SETS)[0]!.metadata.finalizers!.includes('foregroundDeletion'),
      'the dependent is deleted in the foreground too',
    );
    await context.client.resource(PODS, 'default').patch('web-1-a', 'merge', { metadata: { finalizers: null } });
    await world.pass(200);
    assert.deepEqual(all(), []);
  }));

test('foreground: dependents that do not block are deleted but not waited for', () =>
  withControllers(async (world) => {
    const { context } = world;
    const { family, all, start } = cluster(world);
    await family(false);
    await world.start(start());
    await world.pass(2000);
    await context.client.resource(REPLICA_SETS, 'default').patch('web-1', 'merge', { metadata: { finalizers: ['example.com/hold'] } });
    await context.client.resource(DEPLOYMENTS, 'default').delete('web', { propagationPolicy: 'Foreground' });
    await world.pass(1000);
    assert.equal(all().includes('web'), false);
    assert.ok((await context.client.resource(REPLICA_SETS, 'default').get('web-1')).metadata.deletionTimestamp);
  }));

test('foreground: a circle of owners comes to an end', () =>
  withControllers(async (world) => {
    const { context } = world;
    const { make, all, start } = cluster(world);
    const a = await make(CONFIG_MAPS, 'a');
    const b = await make(CONFIG_MAPS, 'b', [ownedBy(a)]);
    const maps = context.client.resource(CONFIG_MAPS, 'default');
    await maps.patch('a', 'merge', { metadata: { ownerReferences: [ownedBy(b)] } });
    await world.start(start());
    await world.pass(2000);
    await maps.delete('a', { propagationPolicy: 'Foreground' });
    await world.pass(5000);
    assert.deepEqual(all(), []);
  }));

test('orphan: dependents lose the reference and stay', () =>
  withControllers(async (world) => {
    const { api, context } = world;
    const { family, all, start } = cluster(world);
    await family();
    await world.start(start());
    await world.pass(2000);
    await context.client.resource(DEPLOYMENTS, 'default').delete('web', { propagationPolicy: 'Orphan' });
    await world.pass(1000);
    assert.deepEqual(all(), ['web-1', 'web-1-a']);
    assert.equal(api.all(REPLICA_SETS)[0]!.metadata.ownerReferences, undefined);
  }));

test('with one owner left the object stays, without the reference to the other', () =>
  withControllers(async (world) => {
    const { api, context } = world;
    const { make, start } = cluster(world);
    const owners = [await make(REPLICA_SETS, 'one'), await make(REPLICA_SETS, 'two')];
    await make(
      CONFIG_MAPS,
      'shared',
      owners.map((owner) => ownedBy(owner)),
    );
    await world.start(start());
    await world.pass(2000);
    await context.client.resource(REPLICA_SETS, 'default').delete('one');
    await world.pass(1000);
    assert.deepEqual(
      api.all(CONFIG_MAPS)[0]!.metadata.ownerReferences!.map(({ name }) => name),
      ['two'],
    );
  }));

test('foreground: a dependent with another owner that stays is kept, and not waited for', () =>
  withControllers(async (world) => {
    const { api, context } = world;
    const { make, all, start } = cluster(world);
    const owners = [await make(REPLICA_SETS, 'leaving'), await make(REPLICA_SETS, 'staying')];
    await make(
      CONFIG_MAPS,
      'shared',
      owners.map((owner) => ownedBy(owner)),
    );
    await make(CONFIG_MAPS, 'own', [ownedBy(owners[0]!)]);
    await world.start(start());
    await world.pass(2000);
    await context.client.resource(REPLICA_SETS, 'default').delete('leaving', { propagationPolicy: 'Foreground' });
    await world.pass(1000);
    assert.deepEqual(all(), ['staying', 'shared']);
    assert.deepEqual(
      api.all(CONFIG_MAPS)[0]!.metadata.ownerReferences!.map(({ name }) => name),
      ['staying'],
    );
  }));

test('a namesake with another uid is not the owner', () =>
  withControllers(async (world) => {
    const { make, all, start } = cluster(world);
    await world.start(start());
    const owner = await make(REPLICA_SETS, 'web');
    await make(CONFIG_MAPS, 'of-another', [{ ...ownedBy(owner), uid: 'another' }]);
    await make(CONFIG_MAPS, 'of-this', [ownedBy(owner)]);
    await world.pass(5000);
    assert.deepEqual(all(), ['web', 'of-this']);
  }));

test('an owner in another namespace does not count, and that is told', () =>
  withControllers(async (world) => {
    const { make, all, start } = cluster(world);
    const owner = await make(REPLICA_SETS, 'far', [], 'other');
    await make(CONFIG_MAPS, 'here', [ownedBy(owner)]);
    await world.start(start());
    await world.pass(5000);
    assert.deepEqual(all(), ['far']);
    const expected = `Warning OwnerRefInvalidNamespace here: ownerRef [apps/v1/ReplicaSet, namespace: default, name: far, uid: ${owner.metadata.uid}] does not exist in namespace "default"`;
    assert.ok(world.events.includes(expected), world.events.join('\n'));
  }));

test('a cluster-scoped object with a namespaced owner is left alone', () =>
  withControllers(async (world) => {
    const { make, all, start } = cluster(world);
    const owner = await make(REPLICA_SETS, 'web');
    await make(CLUSTER_ROLES, 'role', [ownedBy(owner)]);
    await world.start(start());
    await world.pass(60_000);
    assert.deepEqual(all(), ['web', 'role']);
  }));

test('an owner whose absence cannot be made sure keeps its dependents', () =>
  withControllers(async (world) => {
    const { api } = world;
    const { make, all, start } = cluster(world);
    const owner = await make(REPLICA_SETS, 'web');
    await make(CONFIG_MAPS, 'unknown-kind', [{ ...ownedBy(owner), apiVersion: 'example.com/v1', kind: 'Widget' }]);
    await make(CONFIG_MAPS, 'server-fails', [{ ...ownedBy(owner), uid: 'x' }]);
    api.refuse = ({ method, path }) => {
      if (method === 'GET' && path.endsWith('/replicasets/web')) throw statusError('InternalError', 'etcd is away');
    };
    await world.start(start());
    await world.pass(60_000);
    assert.deepEqual(all(), ['web', 'unknown-kind', 'server-fails']);
  }));

test('custom resources are collected from when their definition comes until it goes', () =>
  withControllers(async (world) => {
    const { api, context } = world;
    const { make, all, start } = cluster(world);
    await world.start(start());
    await world.pass(2000);
    const WIDGETS: ResourceType = { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true };
    api.types.push(WIDGETS);
    await make(CUSTOM_RESOURCE_DEFINITIONS, 'widgets.example.com');
    const widget: KubeObject = await make(WIDGETS, 'gear');
    await make(CONFIG_MAPS, 'of-gear', [ownedBy(widget)]);
    await world.pass(5000);
    assert.deepEqual(all(), ['of-gear']);
    await context.client.resource(WIDGETS, 'default').delete('gear');
    await world.pass(100);
    assert.deepEqual(all(), []);

    const watches = api.openWatches;
    api.types.pop();
    await context.client.resource(CUSTOM_RESOURCE_DEFINITIONS).delete('widgets.example.com');
    await world.pass(2000);
    assert.equal(api.openWatches, watches - 1);
  }));

test('a quiet cluster costs no request', () =>
  withControllers(async (world) => {
    const { family, start } = cluster(world);
    await family();
    await world.start(start());
    await world.pass(5000);
    world.api.requests.length = 0;
    await world.pass(120_000);
    assert.deepEqual(world.api.requests, []);
  }));
