/** Policies in CEL: what they let through, and their API. */
import assert from 'node:assert/strict';
import { AppsV1Api, type V1Deployment, type V1ReplicaSet, type V1ValidatingAdmissionPolicy } from '@kubernetes/client-node';
import { conformance, isStatus, until, type World } from '../harness.ts';
import { rest, type Kube } from '../rest.ts';

const GROUP = '/apis/admissionregistration.k8s.io/v1';
const POLICIES = `${GROUP}/validatingadmissionpolicies`;
const BINDINGS = `${GROUP}/validatingadmissionpolicybindings`;

conformance('api-machinery', 'ValidatingAdmissionPolicy', {}, (behaviour) => {
  behaviour('[Privileged:ClusterAdmin] should validate against a Deployment', async (world) => {
    const validations = [
      { expression: 'object.spec.replicas > 1', messageExpression: "'wants replicas > 1, got ' + string(object.spec.replicas)" },
      { expression: `namespaceObject.metadata.name == '${world.namespace}'`, message: 'another namespace is none of its business' },
    ];
    await inForce(world, { validations });
    const apps = world.api(AppsV1Api);
    await deniedOnce(world, 'wants replicas > 1, got 1');
    const { namespace } = world;
    const allowed = await apps.createNamespacedDeployment({ namespace, body: deployment('replicated', 2) });
    assert.equal(allowed.spec?.replicas, 2);
    const set: V1ReplicaSet = { metadata: { name: 'single' }, spec: { ...deployment('single', 1).spec!, replicas: 1 } };
    await apps.createNamespacedReplicaSet({ namespace, body: set });
    const elsewhere = await world.createNamespace();
    await apps.createNamespacedDeployment({ namespace: elsewhere, body: deployment('single', 1) });
  });

  behaviour('[Privileged:ClusterAdmin] should allow expressions to refer variables.', async (world) => {
    const variables = [
      { name: 'replicas', expression: 'object.spec.replicas' },
      { name: 'oddReplicas', expression: 'variables.replicas % 2 == 1' },
    ];
    await inForce(world, { variables, validations: [{ expression: 'variables.replicas > 1' }, { expression: 'variables.oddReplicas' }] });
    const apps = world.api(AppsV1Api);
    const { namespace } = world;
    await deniedOnce(world, 'failed expression: variables.replicas > 1');
    await apps.createNamespacedDeployment({ namespace, body: deployment('odd', 3) });
    await assert.rejects(apps.createNamespacedDeployment({ namespace, body: deployment('even', 4) }), (error: unknown) => {
      assert.ok(isStatus(error, 422));
      assert.match((error as { body: string }).body, /failed expression: variables\.oddReplicas/);
      return true;
    });
  });

  behaviour('[Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations', async (world) => {
    const body = (name: string): object => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name, labels: { 'made-by': world.namespace } },
      spec: policySpec(world, { validations: [{ expression: 'object.spec.replicas <= 100' }] }),
    });
    await supportsOperations(world, { path: POLICIES, resource: 'validatingadmissionpolicies', body });
    await supportsStatus(world, body);
  });

  behaviour('[Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations', async (world) => {
    const body = (name: string): object => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name, labels: { 'made-by': world.namespace } },
      spec: { policyName: 'nobody', validationActions: ['Deny'] },
    });
    await supportsOperations(world, { path: BINDINGS, resource: 'validatingadmissionpolicybindings', body });
  });
});

/** About Deployments in this behaviour's namespace only: others run at the same time. */
function policySpec({ namespace }: World, more: object): object {
  const rule = { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE', 'UPDATE'], resources: ['deployments'] };
  const namespaceSelector = { matchLabels: { 'kubernetes.io/metadata.name': namespace } };
  return { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule], namespaceSelector }, ...more };
}

async function inForce(world: World, more: object): Promise<void> {
  const { create, remove } = rest(world);
  const apiVersion = 'admissionregistration.k8s.io/v1';
  const metadata = { name: `${world.namespace}.policy.example.com` };
  await create(POLICIES, { apiVersion, kind: 'ValidatingAdmissionPolicy', metadata, spec: policySpec(world, more) });
  const spec = { policyName: metadata.name, validationActions: ['Deny'] };
  await create(BINDINGS, { apiVersion, kind: 'ValidatingAdmissionPolicyBinding', metadata, spec });
  world.test.after(async () => {
    await remove(`${BINDINGS}/${metadata.name}`);
    await remove(`${POLICIES}/${metadata.name}`);
  });
}

/** A policy may take a moment until it is in force. */
async function deniedOnce(world: World, message: string): Promise<void> {
  const apps = world.api(AppsV1Api);
  const { namespace } = world;
  const denial = await until(async () => {
    try {
      await apps.createNamespacedDeployment({ namespace, body: deployment('single', 1), dryRun: 'All' });
      return false;
    } catch (error) {
      if (isStatus(error, 422)) return (error as { body: string }).body;
      throw error;
    }
  }, 'the policy denies what it should');
  assert.ok(denial.includes(message), denial);
}

function deployment(name: string, replicas: number): V1Deployment {
  const labels = { app: name };
  const containers = [{ name: 'web', image: 'nginx:latest' }];
  return {
    metadata: { name, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers, terminationGracePeriodSeconds: 0 } },
    },
  };
}

interface Operations {
  path: string;
  resource: string;
  body: (name: string) => object;
}

async function supportsOperations(world: World, { path, resource, body }: Operations): Promise<void> {
  const { get, list, create, patch, update, remove, watch } = rest(world);
  const { groups } = await get<{ groups: { name: string; versions: { version: string }[] }[] }>('/apis');
  const group = groups.find(({ name }) => name === 'admissionregistration.k8s.io');
  assert.ok(group?.versions.some(({ version }) => version === 'v1'));
  const { resources } = await get<{ resources: { name: string }[] }>(GROUP);
  assert.ok(resources.some(({ name }) => name === resource));

  const labelSelector = `made-by=${world.namespace}`;
  const mine = `${path}?labelSelector=${encodeURIComponent(labelSelector)}`;
  const names = ['a', 'b', 'c'].map((suffix) => `${world.namespace}-${suffix}.example.com`);
  for (const name of names) await create(path, body(name));
  const [first, second] = names as [string, string];
  assert.equal((await get(`${path}/${first}`)).metadata?.name, first);
  const { metadata, items } = await get<{ metadata: { resourceVersion: string }; items: Kube[] }>(mine);
  assert.deepEqual(items.map((item) => item.metadata!.name).toSorted(), names);
  assert.ok((await list(path)).length >= names.length);

  const log = await watch(path, { labelSelector, resourceVersion: metadata.resourceVersion });
  await patch(`${path}/${first}`, { metadata: { annotations: { patched: 'true' } } });
  await log.until(({ type, object }) => type === 'MODIFIED' && object.metadata?.annotations?.['patched'] === 'true', 'the patch');
  await update(`${path}/${first}`, (object) => {
    object.metadata!.annotations!['updated'] = 'true';
  });
  await log.until(({ type, object }) => type === 'MODIFIED' && object.metadata?.annotations?.['updated'] === 'true', 'the update');

  await remove(`${path}/${second}`);
  await log.until(({ type, object }) => type === 'DELETED' && object.metadata?.name === second, 'the deletion');
  assert.equal((await world.request({ path: `${path}/${second}` })).status, 404);
  assert.equal((await list(mine)).length, names.length - 1);
  await remove(mine);
  await log.until(({ type, object }) => type === 'DELETED' && object.metadata?.name === first, 'the deletion of all');
  assert.deepEqual(await list(mine), []);
}

async function supportsStatus(world: World, body: (name: string) => object): Promise<void> {
  const { get, create, patch, update, remove } = rest(world);
  const name = `${world.namespace}-status.example.com`;
  await create(POLICIES, body(name));
  const path = `${POLICIES}/${name}/status`;
  const condition = (type: string): object => ({
    type,
    status: 'True',
    reason: 'Tested',
    message: 'said by the test',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const types = ({ status }: V1ValidatingAdmissionPolicy): string[] => (status?.conditions ?? []).map(({ type }) => type);
  assert.deepEqual(types(await patch<V1ValidatingAdmissionPolicy>(path, { status: { conditions: [condition('Patched')] } })), ['Patched']);
  await update<V1ValidatingAdmissionPolicy & Kube>(path, ({ status }) => {
    status!.conditions!.push(condition('Updated') as never);
  });
  assert.deepEqual(types(await get<V1ValidatingAdmissionPolicy>(path)), ['Patched', 'Updated']);
  // Type checking finds nothing to say, and says that.
  await until(async () => {
    const { status, metadata } = await get<V1ValidatingAdmissionPolicy>(`${POLICIES}/${name}`);
    return status?.observedGeneration === metadata!.generation && status?.typeChecking !== undefined;
  }, 'the policy is type-checked');
  assert.deepEqual(types(await get<V1ValidatingAdmissionPolicy>(path)), ['Patched', 'Updated']);
  await remove(`${POLICIES}/${name}`);
}
