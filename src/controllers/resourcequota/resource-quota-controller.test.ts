import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { ended, withWorkloads } from '../../../test/fixtures/workload-world.ts';
import type { Pod } from '../../api/types.gen.ts';
import { CONFIG_MAPS, PODS, RESOURCE_QUOTAS, SERVICES } from '../../client/resources.ts';
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
