/** What holds for all subresources: a dry run changes nothing, and only the part that is theirs changes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeObject } from '../api/meta.ts';
import type { ApiRequest } from '../api/transport.ts';
import type { Pod, Status } from '../api/types.gen.ts';

let api: TestApiServer;

const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENT = '/apis/apps/v1/namespaces/default/deployments/web';
const container = { name: 'c', image: 'nginx', resources: { requests: { cpu: '100m' } } };
const MERGE = { 'content-type': 'application/merge-patch+json' };
const STRATEGIC = { 'content-type': 'application/strategic-merge-patch+json' };

async function call(method: ApiRequest['method'], path: string, body?: unknown, headers: Record<string, string> = {}) {
  const { status, body: answer } = await api.loopback()({ method, path, ...(body === undefined ? {} : { body }), headers });
  return { status, body: answer as KubeObject & Status };
}

before(async () => {
  api = await startTestApiServer();
  await call('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await call('POST', '/api/v1/nodes', { metadata: { name: 'n' } });
  await call('PATCH', '/api/v1/nodes/n/status', { status: { allocatable: { cpu: '2', memory: '1Gi', pods: '10' } } }, MERGE);
  for (const [name, spec] of [
    ['free', {}],
    ['bound', { nodeName: 'n' }],
  ] as const)
    await call('POST', PODS, { metadata: { name }, spec: { containers: [container], ...spec } });
  const labels = { app: 'web' };
  await call('POST', DEPLOYMENT.slice(0, DEPLOYMENT.lastIndexOf('/')), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers: [container] } } },
  });
});
after(() => api?.close());

describe('a dry run', () => {
  const resources = { requests: { cpu: '200m' } };
  const cases: [string, ApiRequest['method'], string, unknown, Record<string, string>?][] = [
    ['of resize', 'PATCH', `${PODS}/bound/resize`, { spec: { containers: [{ name: 'c', resources }] } }, STRATEGIC],
    [
      'of ephemeralcontainers',
      'PATCH',
      `${PODS}/bound/ephemeralcontainers`,
      { spec: { ephemeralContainers: [{ name: 'd', image: 'busybox' }] } },
      STRATEGIC,
    ],
    ['of status', 'PATCH', `${PODS}/bound/status`, { status: { message: 'x' } }, MERGE],
    [
      'of binding',
      'POST',
      `${PODS}/free/binding`,
      { apiVersion: 'v1', kind: 'Binding', metadata: { name: 'free' }, target: { name: 'n' } },
    ],
    ['of eviction', 'POST', `${PODS}/free/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'free' } }],
    ['of scale', 'PATCH', `${DEPLOYMENT}/scale`, { spec: { replicas: 3 } }, MERGE],
  ];
  for (const [name, method, path, body, headers] of cases)
    test(name, async () => {
      const subject = path.slice(0, path.lastIndexOf('/'));
      const earlier = await call('GET', subject);
      const answer = await call(method, `${path}?dryRun=All`, body, headers);
      assert.ok(answer.status < 300, JSON.stringify(answer.body));
      assert.deepEqual((await call('GET', subject)).body, earlier.body);
    });
});

describe('resize', () => {
  const patch = (body: object, query = '') => call('PATCH', `${PODS}/bound/resize${query}`, body, STRATEGIC);
  const resized = (cpu: string) => ({ spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }] } });

  test('shows the pod', async () => {
    const { status, body } = await call('GET', `${PODS}/bound/resize`);
    assert.deepEqual([status, body.kind], [200, 'Pod']);
  });

  test('changes resources and nothing else, and the generation with them', async () => {
    const { body } = await patch({
      metadata: { labels: { not: 'here' } },
      spec: { activeDeadlineSeconds: 5, containers: [{ name: 'c', image: 'other', resources: { requests: { cpu: '150m' } } }] },
    });
    const pod = body as Pod;
    assert.deepEqual(pod.spec!.containers[0]!.resources, { requests: { cpu: '150m' } });
    assert.deepEqual(
      [pod.spec!.containers[0]!.image, pod.spec!.activeDeadlineSeconds, pod.metadata.labels],
      ['nginx', undefined, undefined],
    );
    assert.equal(pod.metadata.generation, 2);
  });

  test('is refused what the node could never give, and says why to machines', async () => {
    const { status, body } = await patch(resized('3'));
    assert.equal(status, 403);
    assert.equal(
      body.message,
      `pods "bound" is forbidden: node didn't have enough allocatable resources: cpu, requested: 3000, allocatable: 2000`,
    );
    assert.deepEqual(body.details?.causes, [{ reason: 'NodeCapacity' }]);
  });

  test('asks quota and limits of the namespace', async () => {
    const quota = '/api/v1/namespaces/default/resourcequotas';
    await call('POST', quota, { metadata: { name: 'q' }, spec: { hard: { 'requests.cpu': '500m' } } });
    const over = await patch(resized('600m'));
    assert.match(
      over.body.message!,
      /^pods "bound" is forbidden: exceeded quota: q, requested: requests\.cpu=450m, used: requests\.cpu=250m/,
    );
    await call('DELETE', `${quota}/q`);
    const ranges = '/api/v1/namespaces/default/limitranges';
    await call('POST', ranges, { metadata: { name: 'l' }, spec: { limits: [{ type: 'Container', min: { cpu: '100m' } }] } });
    const under = await patch(resized('50m'));
    assert.equal(under.body.message, 'pods "bound" is forbidden: minimum cpu usage per Container is 100m, but request is 50m');
    await call('DELETE', `${ranges}/l`);
  });
});
