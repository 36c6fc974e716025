import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { ended, withWorkloads } from '../../../test/fixtures/workload-world.ts';
import type { Pod } from '../../api/types.gen.ts';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, PODS, RESOURCE_QUOTAS, SERVICES } from '../../client/resources.ts';
import { resourcesOf } from './counted.ts';

const NS = 'default';
const soon = { within: 10_000, every: 10 };

function pod(name: string, cpu: string): Pod {
  const resources = { requests: { cpu, memory: '64Mi' }, limits: { cpu: '1', memory: '128Mi' } };
  return { metadata: { name }, spec: { containers: [{ name: 'main', image: 'busybox', resources }], restartPolicy: 'Never' } };
}

test('what limits are about', () => {
  const limits = [
    'cpu',
    'limits.memory',
    'services.nodeports',
    'requests.storage',
    'gold.storageclass.storage.k8s.io/requests.storage',
    'configmaps',
    'count/deployments.apps',
    'count/widgets.example.com',
  ];
  assert.deepEqual(
    [...resourcesOf(limits)],
    ['/pods', '/services', '/persistentvolumeclaims', '/configmaps', 'apps/deployments', 'example.com/widgets'],
  );
});

test('a quota shows what its namespace uses', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const quotas = admin.resource(RESOURCE_QUOTAS, NS);
    const hard = {
      pods: '5',
      'requests.cpu': '2',
      'limits.memory': '1Gi',
      services: '5',
      'services.nodeports': '2',
      'count/configmaps': '10',
    };
    await quotas.create({ metadata: { name: 'all' }, spec: { hard } });
    await quotas.create({ metadata: { name: 'best' }, spec: { hard: { pods: '1' }, scopes: ['BestEffort'] } });
    await eventually(async () => assert.equal((await quotas.get('all')).status?.used?.['pods'], '0'), soon);
    for (const each of [pod('a', '500m'), pod('b', '250m')]) await admin.resource(PODS, NS).create(each);
    await admin
      .resource(SERVICES, NS)
      .create({ metadata: { name: 'web' }, spec: { type: 'NodePort', ports: [{ port: 80 }], selector: { app: 'web' } } });
    await admin.resource(CONFIG_MAPS, NS).create({ metadata: { name: 'settings' } });
    await eventually(async () => {
      const { status } = await quotas.get('all');
      assert.deepEqual(status!.hard, hard);
      // kube-root-ca.crt is a config map too, and the Service `kubernetes` counts.
      assert.deepEqual(status!.used, {
        pods: '2',
        'requests.cpu': '750m',
        'limits.memory': '256Mi',
        services: '2',
        'services.nodeports': '1',
        'count/configmaps': '2',
      });
      assert.deepEqual((await quotas.get('best')).status!.used, { pods: '0' });
    }, soon);
    world.behave = ({ metadata }) => (metadata.name === 'a' ? ended(0) : 'wait');
    world.nudge();
    await eventually(async () => assert.equal((await quotas.get('all')).status!.used!['pods'], '1'), soon);
    assert.deepEqual(world.logged, []);
  }));

test('a quota counts a custom kind from when it is defined until it goes, and again when it comes back', () =>
  withWorkloads(async ({ admin }) => {
    const quotas = admin.resource(RESOURCE_QUOTAS, NS);
    const definitions = admin.resource(CUSTOM_RESOURCE_DEFINITIONS);
    const limit = 'count/widgets.example.com';
    await quotas.create({ metadata: { name: 'widgets' }, spec: { hard: { [limit]: '5' } } });
    const used = (count: string): Promise<void> =>
      eventually(async () => assert.equal((await quotas.get('widgets')).status?.used?.[limit], count), soon);
    await used('0');
    const widgets = { group: 'example.com', version: 'v1', resource: 'widgets', kind: 'Widget', namespaced: true };
    const schema = { openAPIV3Schema: { type: 'object' } };
    const definition = {
      metadata: { name: 'widgets.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'widgets', kind: 'Widget' },
        versions: [{ name: 'v1', served: true, storage: true, schema }],
      },
    };
    for (let time = 0; time < 2; time++) {
      await definitions.create(definition);
      await eventually(() => admin.resource(widgets, NS).create({ metadata: { name: 'one' } }), soon);
      await used('1');
      await admin.resource(widgets, NS).create({ metadata: { name: 'two' } });
      await used('2');
      await definitions.delete('widgets.example.com');
      await eventually(async () => assert.deepEqual((await definitions.list()).items, []), soon);
      await used('0');
    }
  }));

test('quotas with scopes count the pods that are of them', () =>
  withWorkloads(async (world) => {
    const { admin } = world;
    const quotas = admin.resource(RESOURCE_QUOTAS, NS);
    const selecting = (operator: string, values?: string[]) => ({
      matchExpressions: [{ scopeName: 'PriorityClass', operator, ...(values ? { values } : {}) }],
    });
    const specs: Record<string, object> = {
      terminating: { scopes: ['Terminating'] },
      lasting: { scopes: ['NotTerminating'] },
      besteffort: { scopes: ['BestEffort'] },
      burstable: { scopes: ['NotBestEffort'] },
      critical: { scopeSelector: selecting('In', ['system-cluster-critical']) },
      ordinary: { scopeSelector: selecting('DoesNotExist') },
      affine: { scopes: ['CrossNamespacePodAffinity'] },
    };
    for (const [name, spec] of Object.entries(specs)) await quotas.create({ metadata: { name }, spec: { hard: { pods: '9' }, ...spec } });
    world.behave = () => 'wait';
    const plain = pod('plain', '100m').spec!;
    const bare = { ...plain, containers: [{ name: 'main', image: 'busybox' }] };
    const term = { topologyKey: 'kubernetes.io/hostname', namespaces: ['other'], labelSelector: {} };
    const pods: Pod[] = [
      { metadata: { name: 'plain' }, spec: plain },
      { metadata: { name: 'brief' }, spec: { ...bare, activeDeadlineSeconds: 60 } },
      { metadata: { name: 'critical' }, spec: { ...bare, priorityClassName: 'system-cluster-critical' } },
      {
        metadata: { name: 'affine' },
        spec: { ...bare, affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
      },
    ];
    for (const each of pods) await admin.resource(PODS, NS).create(each);
    const expected = { terminating: '1', lasting: '3', besteffort: '3', burstable: '1', critical: '1', ordinary: '3', affine: '1' };
    await eventually(async () => {
      const { items } = await quotas.list();
      assert.deepEqual(
        Object.fromEntries(items.map(({ metadata, status }) => [metadata.name, status?.used?.['pods']])),
        Object.fromEntries(Object.entries(expected).toSorted(([a], [b]) => (a < b ? -1 : 1))),
      );
    }, soon);
    assert.deepEqual(world.logged, []);
  }));
