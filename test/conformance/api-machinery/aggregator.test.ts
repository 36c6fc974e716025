import assert from 'node:assert/strict';
import type { V1APIService, V1ConfigMap } from '@kubernetes/client-node';
import { startSampleApiServer } from '../../fixtures/sample-apiserver.ts';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

const API_SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const NAME = 'v1alpha1.wardle.example.com';
const SERVICE = 'sample-api';

/** What an extension API server may read, by its own account: whom to believe when they say who asks. */
async function requestHeaderCa(world: World): Promise<string> {
  const { create } = rest(world);
  const account = `/api/v1/namespaces/${world.namespace}/serviceaccounts`;
  await create(account, { metadata: { name: 'sample-apiserver' } });
  const bindings = '/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings';
  const name = `wardler-auth-reader-${world.namespace}`;
  await create(bindings, {
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'extension-apiserver-authentication-reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'sample-apiserver', namespace: world.namespace }],
  });
  world.test.after(async () => void (await world.request({ method: 'DELETE', path: `${bindings}/${name}` })));
  const path = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
  const headers = { 'impersonate-user': `system:serviceaccount:${world.namespace}:sample-apiserver` };
  const { data } = await until(async () => {
    const answer = await world.request({ path, headers });
    return answer.status === 200 && answer.json<V1ConfigMap>();
  }, 'extension-apiserver-authentication can be read');
  assert.ok(data!['client-ca-file']);
  assert.deepEqual(JSON.parse(data!['requestheader-username-headers']!), ['X-Remote-User']);
  return data!['requestheader-client-ca-file']!;
}

/** A Service that leads to the port of a server beside the cluster. */
async function leadTo(world: World, port: number): Promise<void> {
  const { create } = rest(world);
  await create(`/api/v1/namespaces/${world.namespace}/services`, {
    metadata: { name: SERVICE },
    spec: { ports: [{ port: 7443, targetPort: port }] },
  });
  await create(`/apis/discovery.k8s.io/v1/namespaces/${world.namespace}/endpointslices`, {
    metadata: { name: `${SERVICE}-1`, labels: { 'kubernetes.io/service-name': SERVICE } },
    addressType: 'IPv4',
    ports: [{ port, protocol: 'TCP' }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  });
}

const apiService = (world: World, caBundle: string): V1APIService => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: NAME, labels: { behaviour: world.namespace } },
  spec: {
    group: 'wardle.example.com',
    version: 'v1alpha1',
    service: { namespace: world.namespace, name: SERVICE, port: 7443 },
    groupPriorityMinimum: 2000,
    versionPriority: 200,
    caBundle,
  },
});

conformance('api-machinery', 'Aggregator', {}, (behaviour) => {
  behaviour('Should be able to support the 1.17 Sample API Server using the current Aggregator', async (world) => {
    const { get, create, list, patch, remove } = rest(world);
    const frontProxyCa = await requestHeaderCa(world);
    const sample = await startSampleApiServer({ service: SERVICE, namespace: world.namespace, frontProxyCa });
    // It looks after namespaces of its own, which upstream's asks the cluster for.
    await sample.admin({ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: world.namespace } } });
    try {
      await leadTo(world, sample.port);
      await create(API_SERVICES, apiService(world, sample.caBundle));
      await until(async () => {
        const { status } = await get<V1APIService>(`${API_SERVICES}/${NAME}`);
        return status?.conditions?.some(({ type, status: value }) => type === 'Available' && value === 'True');
      }, 'the APIService is available');
      const { stdout } = await world.kubectl(['get', 'apiservice', NAME]);
      assert.match(stdout, new RegExp(`${NAME} +${world.namespace}/${SERVICE} +True`));

      const flunders = `/apis/wardle.example.com/v1alpha1/namespaces/${world.namespace}/flunders`;
      const watching = await rest(world).watch(flunders, { resourceVersion: '0' });
      await create(flunders, {
        apiVersion: 'wardle.example.com/v1alpha1',
        kind: 'Flunder',
        metadata: { name: 'rest', labels: { a: 'b' } },
      });
      await world.kubectl(['create', '-f', '-'], {
        input: 'apiVersion: wardle.example.com/v1alpha1\nkind: Flunder\nmetadata: { name: by-kubectl }\n',
      });
      await watching.until(({ type, object }) => type === 'ADDED' && object.metadata?.name === 'by-kubectl', 'the second Flunder');
      watching.stop();
      assert.equal((await list(flunders)).length, 2);
      assert.match((await world.kubectl(['get', 'flunders'])).stdout, /^by-kubectl/m);
      await remove(`${flunders}/rest`);
      assert.equal((await list(flunders)).length, 1);

      assert.match((await world.kubectl(['api-resources', '--api-group=wardle.example.com'])).stdout, /flunders .*Flunder/);
      const changed = await patch<V1APIService>(`${API_SERVICES}/${NAME}`, { spec: { versionPriority: 400 } });
      assert.equal(changed.spec!.versionPriority, 400);
      const condition = { type: 'StatusPatched', status: 'True', reason: 'Conformance', message: 'set by a behaviour' };
      const patched = await patch<V1APIService>(`${API_SERVICES}/${NAME}/status`, { status: { conditions: [condition] } }, 'strategic');
      assert.ok(patched.status!.conditions!.some(({ type }) => type === 'StatusPatched'));
      assert.equal((await list(`${API_SERVICES}?labelSelector=behaviour%3D${world.namespace}`)).length, 1);
      await remove(`${API_SERVICES}?labelSelector=behaviour%3D${world.namespace}`);
      await until(async () => (await world.request({ path: flunders })).status === 404, 'Flunders to be gone with their APIService');
    } finally {
      await world.request({ method: 'DELETE', path: `${API_SERVICES}/${NAME}` });
      await sample.close();
    }
  });
});
