import assert from 'node:assert/strict';
import { conformance, until, type World } from '../harness.ts';
import { ANYTHING, define, definition, version, type Defined } from './definitions.ts';

const accept = (form: string): string => `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList`;

interface GroupDiscoveryList {
  kind: string;
  apiVersion: string;
  items: {
    metadata: { name?: string };
    versions: {
      version: string;
      freshness: string;
      resources: {
        resource: string;
        scope: string;
        responseKind: { group: string; version: string; kind: string };
        verbs: string[];
        subresources?: { subresource: string }[];
      }[];
    }[];
  }[];
}

async function discover(world: World, path: '/api' | '/apis', form = 'v2'): Promise<GroupDiscoveryList> {
  const answer = await world.request({ path, headers: { accept: accept(form) } });
  assert.equal(answer.status, 200, answer.text);
  return answer.json();
}

/** `group/version resource`, all there are. */
function names(list: GroupDiscoveryList): Set<string> {
  return new Set(
    list.items.flatMap(({ metadata, versions }) =>
      versions.flatMap((each) => each.resources.map(({ resource }) => `${metadata.name ?? ''}/${each.version} ${resource}`)),
    ),
  );
}

const CORE = ['/v1 pods', '/v1 services', '/v1 configmaps', '/v1 secrets', '/v1 namespaces', '/v1 nodes'];
const GROUPS = [
  'apps/v1 deployments',
  'apps/v1 statefulsets',
  'batch/v1 jobs',
  'batch/v1 cronjobs',
  'networking.k8s.io/v1 ingresses',
  'rbac.authorization.k8s.io/v1 roles',
  'apiextensions.k8s.io/v1 customresourcedefinitions',
  'apiregistration.k8s.io/v1 apiservices',
  'admissionregistration.k8s.io/v1 mutatingwebhookconfigurations',
  'storage.k8s.io/v1 storageclasses',
];

async function shownWithItsKind(world: World, made: Defined): Promise<void> {
  const entry = await until(async () => {
    const { items } = await discover(world, '/apis');
    return items.find(({ metadata }) => metadata.name === made.group)?.versions.find((each) => each.version === 'v1');
  }, `${made.group} in the aggregated discovery`);
  const [resource] = entry.resources;
  assert.equal(entry.freshness, 'Current');
  assert.equal(resource!.resource, made.plural);
  assert.deepEqual(resource!.responseKind, { group: made.group, version: 'v1', kind: made.kind });
  assert.ok(resource!.verbs.includes('watch'));
}

conformance('api-machinery', 'AggregatedDiscovery', {}, (behaviour) => {
  behaviour('should support raw aggregated discovery endpoint Accept headers', async (world) => {
    for (const path of ['/api', '/apis'] as const) {
      for (const form of ['v2', 'v2beta1']) {
        const answer = await world.request({ path, headers: { accept: accept(form) } });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['content-type'], accept(form));
        const { kind, apiVersion } = answer.json<GroupDiscoveryList>();
        assert.deepEqual([kind, apiVersion], ['APIGroupDiscoveryList', `apidiscovery.k8s.io/${form}`]);
      }
      const plain = await world.request({ path });
      assert.equal(plain.headers['content-type'], 'application/json');
      assert.equal(plain.json<{ kind: string }>().kind, path === '/api' ? 'APIVersions' : 'APIGroupList');
    }
  });

  behaviour('should support raw aggregated discovery request for CRDs', async (world) => {
    const made = await define(world, definition([version('v1', ANYTHING)]));
    await shownWithItsKind(world, made);
  });

  behaviour('should support aggregated discovery interface', async (world) => {
    const core = names(await discover(world, '/api'));
    for (const name of CORE) assert.ok(core.has(name), name);
    const groups = await discover(world, '/apis');
    const all = names(groups);
    for (const name of GROUPS) assert.ok(all.has(name), name);
    const apps = groups.items.find(({ metadata }) => metadata.name === 'apps')!;
    const deployments = apps.versions.find((each) => each.version === 'v1')!.resources.find(({ resource }) => resource === 'deployments')!;
    assert.equal(deployments.scope, 'Namespaced');
    assert.deepEqual(deployments.subresources!.map(({ subresource }) => subresource).toSorted(), ['scale', 'status']);
  });

  behaviour('should support aggregated discovery interface for CRDs', async (world) => {
    const [first, second] = await Promise.all([
      define(world, definition([version('v1', ANYTHING)])),
      define(world, definition([version('v1', ANYTHING)])),
    ]);
    await shownWithItsKind(world, first);
    await shownWithItsKind(world, second);
    const removed = await world.request({ method: 'DELETE', path: first.path });
    assert.equal(removed.status, 200, removed.text);
    await until(async () => !names(await discover(world, '/apis')).has(`${first.group}/v1 ${first.plural}`), 'the removed one to be gone');
    assert.ok(names(await discover(world, '/apis')).has(`${second.group}/v1 ${second.plural}`));
  });
});
