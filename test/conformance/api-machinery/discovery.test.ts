import assert from 'node:assert/strict';
import type { V1APIGroup, V1APIGroupList, V1APIResourceList } from '@kubernetes/client-node';
import { conformance, type World } from '../harness.ts';
import { rest } from '../rest.ts';

const groupsOf = async (world: World): Promise<V1APIGroup[]> => (await rest(world).get<V1APIGroupList>('/apis')).groups;

/** One resource that each of these group versions must have. */
const EXPECTED: Readonly<Record<string, string>> = {
  'apps/v1': 'deployments',
  'batch/v1': 'jobs',
  'autoscaling/v2': 'horizontalpodautoscalers',
  'policy/v1': 'poddisruptionbudgets',
  'networking.k8s.io/v1': 'ingresses',
  'rbac.authorization.k8s.io/v1': 'clusterroles',
  'storage.k8s.io/v1': 'storageclasses',
  'apiextensions.k8s.io/v1': 'customresourcedefinitions',
  'apiregistration.k8s.io/v1': 'apiservices',
  'admissionregistration.k8s.io/v1': 'validatingwebhookconfigurations',
  'authentication.k8s.io/v1': 'tokenreviews',
  'authorization.k8s.io/v1': 'selfsubjectaccessreviews',
  'certificates.k8s.io/v1': 'certificatesigningrequests',
  'coordination.k8s.io/v1': 'leases',
  'discovery.k8s.io/v1': 'endpointslices',
  'events.k8s.io/v1': 'events',
  'node.k8s.io/v1': 'runtimeclasses',
  'scheduling.k8s.io/v1': 'priorityclasses',
};

conformance('api-machinery', 'Discovery', {}, (behaviour) => {
  behaviour('should locate the groupVersion and a resource within each APIGroup', async (world) => {
    const groups = await groupsOf(world);
    for (const [groupVersion, resource] of Object.entries(EXPECTED)) {
      const [name, version] = groupVersion.split('/') as [string, string];
      const listed = groups.find((group) => group.name === name);
      assert.ok(listed, name);
      assert.ok(
        listed.versions.some((each) => each.groupVersion === groupVersion && each.version === version),
        groupVersion,
      );
      const group = await rest(world).get<V1APIGroup>(`/apis/${name}`);
      assert.deepEqual(group.versions, listed.versions);
      const resources = await rest(world).get<V1APIResourceList>(`/apis/${groupVersion}`);
      assert.equal(resources.groupVersion, groupVersion);
      assert.ok(
        resources.resources.some((each) => each.name === resource),
        `${resource} in ${groupVersion}`,
      );
    }
  });

  behaviour('should validate PreferredVersion for each APIGroup', async (world) => {
    const groups = await groupsOf(world);
    assert.ok(groups.length >= Object.keys(EXPECTED).length);
    for (const { name } of groups) {
      const { preferredVersion, versions, kind } = await rest(world).get<V1APIGroup>(`/apis/${name}`);
      assert.equal(kind, 'APIGroup');
      const found = versions.filter(({ groupVersion }) => groupVersion === preferredVersion?.groupVersion);
      assert.equal(found.length, 1, `the preferred version of ${name} is one of its versions`);
      assert.equal(found[0]!.version, preferredVersion?.version);
      assert.equal(preferredVersion?.groupVersion, `${name}/${preferredVersion?.version}`);
    }
  });
});
