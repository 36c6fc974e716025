import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import type { ClusterRole, ClusterRoleBinding, ConfigMap, Endpoints, Service } from '../../api/types.gen.ts';
import type { ObjectWithMeta } from '../../api/meta.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { stored } from '../stored.ts';
import { createBootstrap } from './bootstrap.ts';

const RBAC = 'rbac.authorization.k8s.io';

function setUp(objects = new MemoryObjects(), port = 6443) {
  const master = { serviceIp: '10.96.0.1', advertiseAddress: '172.18.0.2', port };
  const bootstrap = createBootstrap({
    source: objects.source,
    resources: objects.resources,
    master,
    serviceCidrs: ['10.96.0.0/12'],
    clientCa: 'CA',
    frontProxyCa: 'FP',
    clock: new ManualClock(Date.UTC(2026, 0, 31)),
    log: silentLogger,
  });
  const view = <T extends ObjectWithMeta>(group: string, resource: string) => stored<T>(objects, group, 'v1', resource);
  return { objects, bootstrap, view };
}

describe('bootstrap', () => {
  test('a new cluster has its namespaces, roles, classes and Service', async () => {
    const { bootstrap, view } = setUp();
    await bootstrap.run();
    await bootstrap.runDeferred();
    assert.deepEqual(
      view('', 'namespaces')
        .list()
        .map(({ metadata }) => metadata.name),
      ['default', 'kube-system', 'kube-public', 'kube-node-lease'],
    );
    const maps = view<ConfigMap>('', 'configmaps');
    assert.match(maps.get('kube-public', 'cluster-info')!.data!['kubeconfig']!, /server: https:\/\/172\.18\.0\.2:6443\n/);
    const tracking = maps.get('kube-system', 'kube-apiserver-legacy-service-account-token-tracking');
    assert.deepEqual(tracking?.data, { since: '2026-01-31' });
    assert.deepEqual(view<Service>('', 'services').get('default', 'kubernetes')?.spec?.clusterIPs, ['10.96.0.1']);
    assert.deepEqual(view<Endpoints>('', 'endpoints').get('default', 'kubernetes')?.subsets?.[0]?.addresses, [{ ip: '172.18.0.2' }]);
    assert.ok(
      (view<ClusterRole>(RBAC, 'clusterroles').get('', 'view')?.rules?.length ?? 0) > 5,
      'aggregated rules are there from the start',
    );
    assert.ok(view('flowcontrol.apiserver.k8s.io', 'flowschemas').get('', 'catch-all'));
    assert.ok(view('', 'configmaps').get('kube-system', 'extension-apiserver-authentication'));
  });

  test('every binding names a role that exists', async () => {
    const { bootstrap, view } = setUp();
    await bootstrap.run();
    const roles = new Set(
      view('rbac.authorization.k8s.io', 'clusterroles')
        .list()
        .map(({ metadata }) => metadata.name),
    );
    for (const { metadata, roleRef } of view<ClusterRoleBinding>(RBAC, 'clusterrolebindings').list())
      assert.ok(roles.has(roleRef.name), metadata.name);
  });

  test('a later start writes nothing', async () => {
    const { bootstrap, objects } = setUp();
    await bootstrap.run();
    await bootstrap.runDeferred();
    const { writes } = objects;
    const again = setUp(objects);
    await again.bootstrap.run();
    await again.bootstrap.runDeferred();
    assert.equal(objects.writes, writes);
  });

  test('a changed port is written, and nothing else', async () => {
    const { bootstrap, objects } = setUp();
    await bootstrap.run();
    const { writes } = objects;
    const moved = setUp(objects, 7443);
    await moved.bootstrap.run();
    assert.equal(objects.writes - writes, 3, 'Service, Endpoints and EndpointSlice');
    assert.equal(moved.view<Service>('', 'services').get('default', 'kubernetes')?.spec?.ports?.[0]?.targetPort, 7443);
  });

  test('the Service kubernetes comes back', async () => {
    const { bootstrap, objects, view } = setUp();
    await bootstrap.run();
    const stop = bootstrap.keep();
    await objects.source.delete(objects.resources.find('', 'v1', 'services')!, 'default', 'kubernetes');
    const endpoints = view<Endpoints>('', 'endpoints').get('default', 'kubernetes')!;
    objects.put({ ...endpoints, subsets: [] } as never);
    await setImmediate();
    assert.ok(view('', 'services').get('default', 'kubernetes'));
    assert.equal(view<Endpoints>('', 'endpoints').get('default', 'kubernetes')?.subsets?.length, 1);
    stop();
  });

  test('a role that joins an aggregated one is seen in it', async () => {
    const { bootstrap, objects, view } = setUp();
    await bootstrap.run();
    const stop = bootstrap.keep();
    const rule = { apiGroups: ['example.com'], resources: ['widgets'], verbs: ['get'] };
    objects.put({
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRole',
      metadata: { name: 'widgets', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules: [rule],
    } as never);
    for (let turn = 0; turn < 4; turn++) await setImmediate();
    for (const name of ['view', 'edit', 'admin'])
      assert.deepEqual(
        view<ClusterRole>(RBAC, 'clusterroles')
          .get('', name)
          ?.rules?.filter(({ apiGroups }) => apiGroups?.[0] === 'example.com'),
        [rule],
      );
    const { writes } = objects;
    for (let turn = 0; turn < 4; turn++) await setImmediate();
    assert.equal(objects.writes, writes, 'and then there is rest');
    stop();
  });

  test('what an administrator took away comes back, what was added stays, and autoupdate=false is left alone', async () => {
    const { bootstrap, objects, view } = setUp();
    await bootstrap.run();
    const roles = view<ClusterRole>(RBAC, 'clusterroles');
    const extra = { apiGroups: ['example.com'], resources: ['x'], verbs: ['get'] };
    objects.put({ ...roles.get('', 'system:discovery')!, rules: [extra] } as never);
    const mine = roles.get('', 'system:basic-user')!;
    objects.put({
      ...mine,
      metadata: { ...mine.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
      rules: [],
    } as never);
    const binding = view<ClusterRoleBinding>(RBAC, 'clusterrolebindings').get('', 'system:discovery')!;
    objects.put({ ...binding, roleRef: { ...binding.roleRef, name: 'view' } } as never);

    await setUp(objects).bootstrap.run();
    assert.deepEqual(roles.get('', 'system:discovery')?.rules?.[0], extra);
    assert.equal(roles.get('', 'system:discovery')?.rules?.length, 1 + 11, 'each URL that was missing');
    assert.deepEqual(roles.get('', 'system:basic-user')?.rules, []);
    assert.equal(view<ClusterRoleBinding>(RBAC, 'clusterrolebindings').get('', 'system:discovery')?.roleRef.name, 'system:discovery');
  });
});
