import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { withWorkloads } from '../../../test/fixtures/workload-world.ts';
import type { ClusterRole } from '../../api/types.gen.ts';
import { CLUSTER_ROLES } from '../../client/resources.ts';

const soon = { within: 10_000, every: 10 };

function part(name: string, resource: string): ClusterRole {
  const labels = { 'rbac.example.com/aggregate-to-monitoring': 'true' };
  return { metadata: { name, labels }, rules: [{ apiGroups: [''], resources: [resource], verbs: ['get'] }] };
}

test('a role collects the rules of the roles that it selects, as they come and go', () =>
  withWorkloads(async (world) => {
    const roles = world.admin.resource(CLUSTER_ROLES);
    const clusterRoleSelectors = [{ matchLabels: { 'rbac.example.com/aggregate-to-monitoring': 'true' } }];
    await roles.create({ metadata: { name: 'monitoring' }, aggregationRule: { clusterRoleSelectors }, rules: [] });
    const resources = async () => ((await roles.get('monitoring')).rules ?? []).flatMap(({ resources }) => resources);
    await roles.create(part('monitoring-pods', 'pods'));
    await roles.create(part('monitoring-again', 'pods'));
    await roles.create(part('monitoring-endpoints', 'endpoints'));
    await eventually(async () => assert.deepEqual(await resources(), ['pods', 'endpoints']), soon);
    await roles.delete('monitoring-endpoints');
    await eventually(async () => assert.deepEqual(await resources(), ['pods']), soon);
    const admin = (await roles.get('admin')).rules!;
    assert.ok(
      admin.some(({ resources }) => resources?.includes('deployments')),
      'the bootstrap roles are whole',
    );
    assert.deepEqual(world.logged, []);
  }));
