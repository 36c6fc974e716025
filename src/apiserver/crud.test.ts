import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeObject } from '../api/meta.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import type { CertificateSigningRequest, Status } from '../api/types.gen.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
  await call('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(() => api?.close());

function call(method: ApiRequest['method'], path: string, body?: unknown, headers?: Record<string, string>): Promise<ApiResponse> {
  return api.loopback()({ method, path, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) });
}

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string, data: Record<string, string> = { a: '1' }): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});
const deployment = (name: string): object => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } },
  },
});
const pod = (name: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
});

async function created(path: string, body: object): Promise<KubeObject> {
  const response = await call('POST', path, body);
  assert.equal(response.status, 201, JSON.stringify(response.body));
  return response.body as KubeObject;
}

function refused(response: ApiResponse, code: number, message: RegExp | string): void {
  const status = response.body as Status;
  assert.equal(response.status, code, JSON.stringify(status));
  if (typeof message === 'string') assert.equal(status.message, message);
  else assert.match(status.message!, message);
}

describe('create', () => {
  test('sets what clients cannot choose', async () => {
    const object = await created(CONFIG_MAPS, {
      ...configMap('made'),
      metadata: { name: 'made', uid: 'mine', creationTimestamp: '2000-01-01T00:00:00Z', selfLink: '/x' },
    });
    assert.match(object.metadata.uid!, /^[0-9a-f-]{36}$/);
    assert.notEqual(object.metadata.creationTimestamp, '2000-01-01T00:00:00Z');
    assert.equal(object.metadata.namespace, 'default');
    assert.equal(object.metadata.selfLink, undefined);
    assert.ok(Number(object.metadata.resourceVersion) > 0);
  });

  test('generates a name', async () => {
    const object = await created(CONFIG_MAPS, { ...configMap(''), metadata: { generateName: 'gen-' } });
    assert.match(object.metadata.name!, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  const refusals: { name: string; path: string; body: object; code: number; message: string }[] = [
    { name: 'a name that is taken', path: CONFIG_MAPS, body: configMap('made'), code: 409, message: 'configmaps "made" already exists' },
    {
      name: 'no name',
      path: CONFIG_MAPS,
      body: configMap(''),
      code: 422,
      message: 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    },
    {
      name: 'another namespace than the URL says',
      path: CONFIG_MAPS,
      body: { metadata: { name: 'x', namespace: 'other' } },
      code: 400,
      message: 'the namespace of the provided object does not match the namespace sent on the request',
    },
    {
      name: 'a namespace that is not there',
      path: '/api/v1/namespaces/nowhere/configmaps',
      body: configMap('x'),
      code: 404,
      message: 'namespaces "nowhere" not found',
    },
    {
      name: 'a resourceVersion',
      path: CONFIG_MAPS,
      body: { metadata: { name: 'x', resourceVersion: '5' } },
      code: 500,
      message: 'resourceVersion should not be set on objects to be created',
    },
    {
      name: 'another version',
      path: '/apis/apps/v1/namespaces/default/deployments',
      body: { ...deployment('x'), apiVersion: 'apps/v2' },
      code: 400,
      message: 'the API version in the data (apps/v2) does not match the expected API version (apps/v1)',
    },
    {
      name: 'unknown dryRun',
      path: `${CONFIG_MAPS}?dryRun=Some`,
      body: configMap('x'),
      code: 422,
      message: 'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All"',
    },
  ];
  for (const { name, path, body, code, message } of refusals) {
    test(`refuses ${name}`, async () => refused(await call('POST', path, body), code, message));
  }

  test('with dryRun stores nothing', async () => {
    const response = await call('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('dry'));
    assert.equal(response.status, 201);
    assert.equal((await call('GET', `${CONFIG_MAPS}/dry`)).status, 404);
  });

  test("does not change the caller's parts of the cache", async () => {
    const live = await created(CONFIG_MAPS, configMap('shared'));
    const before = structuredClone(live);
    await call('PUT', `${CONFIG_MAPS}/shared`, { ...live, data: { a: '2' } });
    assert.deepEqual(live, before);
  });
});

describe('update', () => {
  test('guards the revision that it names', async () => {
    const live = await created(CONFIG_MAPS, configMap('guarded'));
    assert.equal((await call('PUT', `${CONFIG_MAPS}/guarded`, { ...live, data: { a: '2' } })).status, 200);
    refused(
      await call('PUT', `${CONFIG_MAPS}/guarded`, { ...live, data: { a: '3' } }),
      409,
      'Operation cannot be fulfilled on configmaps "guarded": the object has been modified; please apply your changes to the latest version and try again',
    );
    assert.equal(
      (await call('PUT', `${CONFIG_MAPS}/guarded`, configMap('guarded', { a: '4' }))).status,
      200,
      'without a revision it replaces whatever is there',
    );
  });

  test('that changes nothing keeps the revision, whatever the order of its fields', async () => {
    const live = await created(CONFIG_MAPS, { ...configMap('same', { a: '1', b: '2' }) });
    const again = await call('PUT', `${CONFIG_MAPS}/same`, { metadata: { name: 'same' }, data: { b: '2', a: '1' } });
    assert.equal((again.body as KubeObject).metadata.resourceVersion, live.metadata.resourceVersion);
  });

  test('refuses another name, another uid, a missing object', async () => {
    const live = await created(CONFIG_MAPS, configMap('strict'));
    refused(
      await call('PUT', `${CONFIG_MAPS}/strict`, configMap('other')),
      400,
      'the name of the object (other) does not match the name on the URL (strict)',
    );
    refused(
      await call('PUT', `${CONFIG_MAPS}/strict`, { ...configMap('strict'), metadata: { name: 'strict', uid: 'x' } }),
      409,
      new RegExp(`UID in precondition: x, UID in object meta: ${live.metadata.uid}`),
    );
    refused(await call('PUT', `${CONFIG_MAPS}/absent`, configMap('absent')), 404, 'configmaps "absent" not found');
  });

  test('counts generations of the spec, not of the status', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments';
    const live = await created(path, deployment('counted'));
    const status = await call('PUT', `${path}/counted/status`, {
      ...live,
      spec: { ...(live['spec'] as object), replicas: 9 },
      status: { replicas: 1 },
    });
    const after = status.body as KubeObject & { spec: { replicas: number }; status: { replicas: number } };
    assert.deepEqual([after.metadata.generation, after.spec.replicas, after.status.replicas], [1, 1, 1]);
    const spec = await call('PATCH', `${path}/counted`, { spec: { replicas: 2 } }, { 'content-type': 'application/merge-patch+json' });
    assert.equal((spec.body as KubeObject).metadata.generation, 2);
  });

  test('concurrent patches all arrive', async () => {
    await created(CONFIG_MAPS, configMap('busy', {}));
    const patches = Array.from({ length: 20 }, (_, index) =>
      call('PATCH', `${CONFIG_MAPS}/busy`, { data: { [`k${index}`]: 'x' } }, { 'content-type': 'application/merge-patch+json' }),
    );
    for (const response of await Promise.all(patches)) assert.equal(response.status, 200);
    const { body } = await call('GET', `${CONFIG_MAPS}/busy`);
    assert.equal(Object.keys((body as { data: object }).data).length, 20);
  });
});

describe('patch', () => {
  const wrong: [type: string, patch: unknown, message: RegExp][] = [
    [
      'strategic-merge-patch',
      { spec: { x: 1 } },
      /^ "" is invalid: patch: Invalid value: "\{\\"spec\\":\{\\"x\\":1\}\}": strict decoding error: unknown field "spec\.x"$/,
    ],
    [
      'merge-patch',
      { spec: { replicas: 'two' } },
      /^ "" is invalid: patch: Invalid value: .*: json: cannot unmarshal string into Go struct field .*replicas of type int32$/,
    ],
  ];
  for (const [type, body, message] of wrong) {
    test(`a ${type} that makes no object`, async () => {
      const path = '/apis/apps/v1/namespaces/default/deployments';
      await created(path, deployment(type));
      const headers = { 'content-type': `application/${type}+json` };
      refused(await call('PATCH', `${path}/${type}?fieldValidation=Strict`, body, headers), 422, message);
    });
  }

  const cases: { name: string; type: string; patch: unknown; check: (object: KubeObject) => void }[] = [
    {
      name: 'JSON patch',
      type: 'application/json-patch+json',
      patch: [{ op: 'add', path: '/metadata/labels', value: { x: 'y' } }],
      check: ({ metadata }) => assert.deepEqual(metadata.labels, { x: 'y' }),
    },
    {
      name: 'merge patch',
      type: 'application/merge-patch+json',
      patch: { metadata: { labels: { x: null, z: '1' } } },
      check: ({ metadata }) => assert.deepEqual(metadata.labels, { z: '1' }),
    },
    {
      name: 'strategic merge patch',
      type: 'application/strategic-merge-patch+json',
      patch: { spec: { template: { spec: { containers: [{ name: 'side', image: 'busybox' }] } } } },
      check: (object) =>
        assert.deepEqual(
          (object as unknown as { spec: { template: { spec: { containers: { name: string }[] } } } }).spec.template.spec.containers.map(
            ({ name }) => name,
          ),
          ['side', 'c'],
        ),
    },
  ];
  const path = '/apis/apps/v1/namespaces/default/deployments';
  before(() => created(path, deployment('patched')));
  for (const { name, type, patch, check } of cases) {
    test(name, async () => {
      const response = await call('PATCH', `${path}/patched`, patch, { 'content-type': type });
      assert.equal(response.status, 200, JSON.stringify(response.body));
      check(response.body as KubeObject);
    });
  }

  test('server-side apply creates, merges and conflicts', async () => {
    const apply = (manager: string, replicas: number, force = false): Promise<ApiResponse> =>
      call(
        'PATCH',
        `${path}/applied?fieldManager=${manager}&force=${force}`,
        { ...deployment('applied'), spec: { ...(deployment('applied') as { spec: object }).spec, replicas } },
        { 'content-type': 'application/apply-patch+yaml' },
      );
    assert.equal((await apply('one', 2)).status, 201);
    const again = await apply('one', 2);
    assert.equal(again.status, 200);
    refused(await apply('two', 3), 409, 'Apply failed with 1 conflict: conflict with "one": .spec.replicas');
    const forced = await apply('two', 3, true);
    assert.deepEqual(
      (forced.body as KubeObject).metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`).toSorted(),
      ['one Apply', 'two Apply'],
    );
  });

  test('apply without a manager is refused', async () => {
    refused(
      await call('PATCH', `${path}/applied`, deployment('applied'), { 'content-type': 'application/apply-patch+yaml' }),
      422,
      /fieldManager: Required value: is required for apply patch/,
    );
  });

  test('an unknown type is refused', async () => {
    refused(
      await call('PATCH', `${path}/patched`, {}, { 'content-type': 'text/plain' }),
      415,
      /the body of the request was in an unknown format/,
    );
  });
});

describe('delete', () => {
  test('answers a Status and removes', async () => {
    const { metadata } = await created(CONFIG_MAPS, configMap('gone'));
    const response = await call('DELETE', `${CONFIG_MAPS}/gone`);
    assert.deepEqual((response.body as Status).details, { name: 'gone', kind: 'configmaps', uid: metadata.uid });
    refused(await call('DELETE', `${CONFIG_MAPS}/gone`), 404, 'configmaps "gone" not found');
  });

  test('finalizers keep the object until the last one goes', async () => {
    await created(CONFIG_MAPS, { ...configMap('held'), metadata: { name: 'held', finalizers: ['example.com/a'] } });
    const marked = (await call('DELETE', `${CONFIG_MAPS}/held`)).body as KubeObject;
    assert.ok(marked.metadata.deletionTimestamp);
    assert.equal((await call('GET', `${CONFIG_MAPS}/held`)).status, 200);
    const freed = await call(
      'PATCH',
      `${CONFIG_MAPS}/held`,
      { metadata: { finalizers: null } },
      { 'content-type': 'application/merge-patch+json' },
    );
    assert.equal(freed.status, 200);
    assert.equal((await call('GET', `${CONFIG_MAPS}/held`)).status, 404);
  });

  const policies: { policy: string; finalizers: string[] | undefined; code: number }[] = [
    { policy: 'Orphan', finalizers: ['orphan'], code: 200 },
    { policy: 'Foreground', finalizers: ['foregroundDeletion'], code: 202 },
  ];
  for (const { policy, finalizers, code } of policies) {
    test(`propagationPolicy ${policy}`, async () => {
      const name = `by-${policy.toLowerCase()}`;
      await created('/apis/apps/v1/namespaces/default/deployments', deployment(name));
      const response = await call('DELETE', `/apis/apps/v1/namespaces/default/deployments/${name}`, { propagationPolicy: policy });
      assert.equal(response.status, code);
      assert.deepEqual((response.body as KubeObject).metadata.finalizers, finalizers);
    });
  }

  test('preconditions are checked', async () => {
    await created(CONFIG_MAPS, configMap('careful'));
    refused(
      await call('DELETE', `${CONFIG_MAPS}/careful`, { preconditions: { uid: 'other' } }),
      409,
      /the UID in the precondition \(other\) does not match the UID in record/,
    );
  });

  test('a bound pod gets its grace period; asked again with none it goes', async () => {
    const path = '/api/v1/namespaces/default/pods';
    await created(path, pod('graceful'));
    await call('POST', `${path}/graceful/binding`, { metadata: { name: 'graceful' }, target: { kind: 'Node', name: 'n1' } });
    const marked = (await call('DELETE', `${path}/graceful`)).body as KubeObject;
    assert.equal(marked.metadata.deletionGracePeriodSeconds, 30);
    assert.equal((await call('DELETE', `${path}/graceful`, { gracePeriodSeconds: 0 })).status, 200);
    assert.equal((await call('GET', `${path}/graceful`)).status, 404);
  });

  test('a namespace terminates and goes when its finalizer is taken away', async () => {
    await created('/api/v1/namespaces', { metadata: { name: 'leaving' } });
    const marked = (await call('DELETE', '/api/v1/namespaces/leaving')).body as KubeObject & { status: { phase: string }; spec: object };
    assert.equal(marked.status.phase, 'Terminating');
    const freed = await call('PUT', '/api/v1/namespaces/leaving/finalize', { ...marked, spec: { finalizers: [] } });
    assert.equal(freed.status, 200, JSON.stringify(freed.body));
    assert.equal((await call('GET', '/api/v1/namespaces/leaving')).status, 404);
  });

  test('a collection by label', async () => {
    for (const [name, app] of [
      ['c1', 'x'],
      ['c2', 'x'],
      ['c3', 'y'],
    ] as const)
      await created(CONFIG_MAPS, { ...configMap(name), metadata: { name, labels: { app } } });
    const response = await call('DELETE', `${CONFIG_MAPS}?labelSelector=app%3Dx`);
    assert.equal((response.body as { items: unknown[] }).items.length, 2);
    assert.equal((await call('GET', `${CONFIG_MAPS}/c1`)).status, 404);
    assert.equal((await call('GET', `${CONFIG_MAPS}/c3`)).status, 200);
  });
});

describe('subresources', () => {
  const path = '/api/v1/namespaces/default/pods';

  test('binding gives a pod to a node, once', async () => {
    await created(path, pod('bound'));
    const bind = (node: string): Promise<ApiResponse> =>
      call('POST', `${path}/bound/binding`, { metadata: { name: 'bound' }, target: { kind: 'Node', name: node } });
    assert.equal((await bind('n1')).status, 201);
    const { spec, status } = (await call('GET', `${path}/bound`)).body as {
      spec: { nodeName: string };
      status: { conditions: { type: string; status: string }[] };
    };
    assert.equal(spec.nodeName, 'n1');
    assert.equal(status.conditions.find(({ type }) => type === 'PodScheduled')?.status, 'True');
    refused(await bind('n2'), 409, 'Operation cannot be fulfilled on pods/binding "bound": pod bound is already assigned to node "n1"');
  });

  test('a Binding may also be posted to its own collection, and carries labels and annotations along', async () => {
    await created(path, pod('bound-too'));
    const binding = {
      metadata: { name: 'bound-too', annotations: { a: '1' }, labels: { zone: 'z' } },
      target: { kind: 'Node', name: 'n1' },
    };
    const response = await call('POST', '/api/v1/namespaces/default/bindings', binding);
    assert.equal(response.status, 201, JSON.stringify(response.body));
    const { metadata, spec } = (await call('GET', `${path}/bound-too`)).body as KubeObject & { spec: { nodeName: string } };
    assert.deepEqual([spec.nodeName, metadata.annotations?.['a'], metadata.labels?.['zone']], ['n1', '1', 'z']);
  });

  test('a signing request says who made it, whatever it says itself', async () => {
    const csr = {
      metadata: { name: 'csr' },
      spec: {
        request: btoa('-----BEGIN CERTIFICATE REQUEST-----\n'),
        signerName: 'example.com/x',
        usages: ['client auth'],
        username: 'somebody-else',
        uid: 'stolen',
        extra: { scopes: ['all'] },
      },
    };
    const response = await call('POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All', csr);
    assert.equal(response.status, 201, JSON.stringify(response.body));
    const { username, uid, extra } = (response.body as CertificateSigningRequest).spec;
    assert.deepEqual([username, uid, extra], ['kubernetes-admin', undefined, undefined]);
  });

  test('scale reads and writes replicas only', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    await created(deployments, deployment('scaled'));
    const scale = (await call('GET', `${deployments}/scaled/scale`)).body as KubeObject & { spec: { replicas: number } };
    assert.deepEqual([scale.kind, scale.apiVersion, scale.spec.replicas], ['Scale', 'autoscaling/v1', 1]);
    const changed = await call('PUT', `${deployments}/scaled/scale`, { ...scale, spec: { replicas: 5 } });
    assert.equal((changed.body as { spec: { replicas: number } }).spec.replicas, 5);
    refused(
      await call('PATCH', `${deployments}/scaled/scale`, { spec: { replicas: -1 } }, { 'content-type': 'application/merge-patch+json' }),
      422,
      /spec\.replicas: Invalid value: -1: must be greater than or equal to 0/,
    );
  });

  test('eviction asks the disruption budget', async () => {
    await created(path, { ...pod('evicted'), metadata: { name: 'evicted', labels: { app: 'evicted' } } });
    await call(
      'PATCH',
      `${path}/evicted/status`,
      { status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } },
      { 'content-type': 'application/merge-patch+json' },
    );
    const budgets = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
    const budget = await created(budgets, {
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'evicted' } } },
    });
    const setAllowed = (disruptionsAllowed: number): Promise<ApiResponse> =>
      call(
        'PATCH',
        `${budgets}/b/status`,
        {
          status: {
            disruptionsAllowed,
            currentHealthy: 1,
            desiredHealthy: 1,
            expectedPods: 1,
            observedGeneration: budget.metadata.generation,
          },
        },
        { 'content-type': 'application/merge-patch+json' },
      );
    await setAllowed(0);
    const evict = (): Promise<ApiResponse> => call('POST', `${path}/evicted/eviction`, { metadata: { name: 'evicted' } });
    refused(await evict(), 429, "Cannot evict pod as it would violate the pod's disruption budget.");
    await setAllowed(1);
    assert.equal((await evict()).status, 201);
    const spent = (await call('GET', `${budgets}/b`)).body as { status: { disruptionsAllowed: number } };
    assert.equal(spent.status.disruptionsAllowed, 0);
  });
});

describe('paths', () => {
  const cases: { name: string; method: ApiRequest['method']; path: string; code: number; message?: string }[] = [
    {
      name: 'unknown resource',
      method: 'GET',
      path: '/api/v1/foos',
      code: 404,
      message: 'the server could not find the requested resource',
    },
    {
      name: 'unknown subresource',
      method: 'GET',
      path: `${CONFIG_MAPS}/made/foo`,
      code: 404,
      message: 'the server could not find the requested resource',
    },
    {
      name: 'a verb that is not served',
      method: 'PUT',
      path: CONFIG_MAPS,
      code: 405,
      message: 'the server does not allow this method on the requested resource',
    },
    { name: 'unknown group', method: 'GET', path: '/apis/nobody.example/v1/things', code: 404 },
    { name: 'unknown path', method: 'GET', path: '/nothing', code: 404 },
  ];
  for (const { name, method, path, code, message } of cases) {
    test(name, async () => {
      const response = await call(method, path, method === 'GET' ? undefined : configMap('x'));
      assert.equal(response.status, code, JSON.stringify(response.body));
      if (message) assert.equal((response.body as Status).message, message);
      else assert.equal(response.text, '404 page not found\n');
    });
  }

  test("what a user may not do is forbidden in upstream's words", async () => {
    const response = await api.loopback({ name: 'eve', groups: [] })({ method: 'GET', path: '/api/v1/namespaces/default/pods' });
    refused(response, 403, 'pods is forbidden: User "eve" cannot list resource "pods" in API group "" in the namespace "default"');
  });
});
