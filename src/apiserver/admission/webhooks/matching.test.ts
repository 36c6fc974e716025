import assert from 'node:assert/strict';
import { request } from 'node:https';
import { describe, test } from 'node:test';
import type { KubeObject } from '../../../api/meta.ts';
import type { Status } from '../../../api/types.gen.ts';
import { CONFIGURATIONS, deny, MAPS, messageOf, newMap, SERVICE_ACCOUNTS, webhookWorld } from './world.fixture.ts';

/** Which requests webhooks are asked about. */
const world = webhookWorld();
const { call, validating, mutating } = world;

describe('which requests are meant', () => {
  const cases: { name: string; fields: object; map?: object; asked: boolean }[] = [
    { name: 'another operation', fields: { rule: { operations: ['UPDATE'] } }, asked: false },
    { name: 'another group', fields: { rule: { apiGroups: ['apps'] } }, asked: false },
    { name: 'another version', fields: { rule: { apiVersions: ['v2'] } }, asked: false },
    {
      name: 'any of everything',
      fields: { rule: { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] } },
      asked: true,
    },
    { name: 'subresources only', fields: { rule: { resources: ['configmaps/status'] } }, asked: false },
    { name: 'any resource with any subresource', fields: { rule: { resources: ['*/*'] } }, asked: true },
    { name: 'cluster scope', fields: { rule: { scope: 'Cluster' } }, asked: false },
    { name: 'namespaced scope', fields: { rule: { scope: 'Namespaced' } }, asked: true },
    {
      name: 'namespaceSelector that matches',
      fields: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'default' } } },
      asked: true,
    },
    { name: 'namespaceSelector that does not', fields: { namespaceSelector: { matchLabels: { x: 'y' } } }, asked: false },
    {
      name: 'objectSelector that matches',
      fields: { objectSelector: { matchLabels: { a: 'b' } } },
      map: { labels: { a: 'b' } },
      asked: true,
    },
    { name: 'objectSelector that does not', fields: { objectSelector: { matchLabels: { a: 'b' } } }, asked: false },
    {
      name: 'a condition that holds',
      fields: { matchConditions: [{ name: 'c', expression: 'request.namespace == "default"' }] },
      asked: true,
    },
    { name: 'a condition that does not', fields: { matchConditions: [{ name: 'c', expression: 'has(object.data)' }] }, asked: false },
    {
      name: 'a condition on what the requester may do',
      fields: { matchConditions: [{ name: 'c', expression: "authorizer.group('').resource('pods').check('get').allowed()" }] },
      asked: true,
    },
    {
      name: 'one false beside one that fails',
      fields: {
        matchConditions: [
          { name: 'a', expression: 'object.none == 1' },
          { name: 'b', expression: 'false' },
        ],
      },
      asked: false,
    },
    {
      name: 'one that fails, ignored',
      fields: { matchConditions: [{ name: 'a', expression: 'object.none == 1' }], failurePolicy: 'Ignore' },
      asked: false,
    },
  ];
  for (const { name, fields, map = {}, asked } of cases) {
    test(name, async () => {
      const path = await validating({ review: () => ({}), ...fields });
      const made = await call('POST', MAPS, { metadata: { ...newMap().metadata, ...map } });
      assert.equal(made.status, 201, messageOf(made));
      assert.equal(world.server.seen(path).length, asked ? 1 : 0);
    });
  }

  test('a condition that fails refuses the request', async () => {
    await validating({ review: () => ({}), matchConditions: [{ name: 'a', expression: 'object.none == 1' }] });
    const refused = await call('POST', MAPS, { metadata: { name: 'refused' } });
    assert.equal(refused.status, 403);
    assert.equal(
      messageOf(refused),
      `configmaps "refused" is forbidden: expression 'object.none == 1' resulted in error: no such key: none`,
    );
  });

  test('an equivalent version is shown in the version of the rule', async () => {
    const rule = { apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] };
    const path = await validating({ rule, review: () => ({}) });
    const exact = await validating({ rule, matchPolicy: 'Exact', review: () => ({}) });
    const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }];
    const spec = { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'x', apiVersion: 'apps/v1' }, metrics };
    const made = await call('POST', '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers', {
      metadata: { name: 'hpa' },
      spec,
    });
    assert.equal(made.status, 201, messageOf(made));
    const [review] = world.server.seen(path);
    assert.deepEqual(review!.kind, { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' });
    assert.equal(review!.requestKind.version, 'v2');
    assert.equal(review!.object?.apiVersion, 'autoscaling/v1');
    assert.equal(review!.object?.spec?.['targetCPUUtilizationPercentage'], 50);
    assert.equal(world.server.seen(exact).length, 0);
  });

  test('the configurations themselves are not', async () => {
    const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'], scope: '*' };
    await validating({ rule: everything, review: deny, matchConditions: [{ name: 'c', expression: 'true' }] });
    const other = { metadata: { name: 'other' }, webhooks: [] };
    assert.equal((await call('POST', `${CONFIGURATIONS}/mutatingwebhookconfigurations`, other)).status, 201);
    assert.equal((await call('DELETE', `${CONFIGURATIONS}/mutatingwebhookconfigurations/other`)).status, 200);
  });

  test('a scale is shown as a Scale', async () => {
    const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const deployment = { metadata: { name: 'scaled' }, spec: { selector: { matchLabels: { a: 'b' } }, template } };
    await call('POST', '/apis/apps/v1/namespaces/default/deployments', deployment);
    const rule = { operations: ['UPDATE'], apiGroups: ['apps'], resources: ['deployments/scale'] };
    const path = await mutating({ rule, review: () => ({ patch: [{ op: 'replace', path: '/spec/replicas', value: 4 }] }) });
    const url = '/apis/apps/v1/namespaces/default/deployments/scaled/scale';
    const scaled = await call('PATCH', url, { spec: { replicas: 7 } }, 'application/merge-patch+json');
    assert.deepEqual((scaled.body as KubeObject)['spec'], { replicas: 4 }, messageOf(scaled));
    const [review] = world.server.seen(path);
    assert.deepEqual(review!.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
    assert.deepEqual([review!.object?.kind, review!.oldObject?.spec], ['Scale', { replicas: 1 }]);
    assert.equal(review!.subResource, 'scale');
  });
});

test('an eviction is admitted as an eviction, not as a deletion', async () => {
  const deletions = await validating({ rule: { operations: ['DELETE'], resources: ['pods', 'pods/*'] }, review: () => ({}) });
  const path = await validating({ rule: { resources: ['pods/eviction'] }, review: deny });
  await call('POST', SERVICE_ACCOUNTS, { metadata: { name: 'default' } });
  await call('POST', '/api/v1/namespaces/default/pods', {
    metadata: { name: 'evicted' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  const url = '/api/v1/namespaces/default/pods/evicted/eviction';
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'evicted' } };
  assert.match(messageOf(await call('POST', url, eviction)), /denied the request: no$/);
  assert.deepEqual(world.server.seen(path)[0]!.kind, { group: 'policy', version: 'v1', kind: 'Eviction' });
  world.reviewers[path] = () => ({});
  assert.equal((await call('POST', url, eviction)).status, 201);
  assert.equal(world.server.seen(deletions).length, 0);
});

describe('connections', () => {
  const POD = '/api/v1/namespaces/default/pods/connected';
  const connect = (path: string, method: string, headers: Record<string, string> = {}): Promise<{ status: number; text: string }> =>
    new Promise((resolve, reject) => {
      const [cert, key, ca] = ['components/admin.crt', 'components/admin.key', 'ca.crt'].map((file) => world.api.pki.get(file)!);
      const outgoing = request(new URL(path, world.api.url), { method, headers, cert, key, ca }, async (answer) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of answer as AsyncIterable<Uint8Array>) chunks.push(chunk);
        resolve({ status: answer.statusCode!, text: Buffer.concat(chunks).toString() });
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  const upgrade = { connection: 'Upgrade', upgrade: 'SPDY/3.1' };

  test('are shown with their options, and can be denied', async () => {
    const path = await validating({ rule: { operations: ['CONNECT'], resources: ['pods/*'] }, review: deny });
    const answers = [
      await connect(`${POD}/exec?command=sh&command=-c&stdin=true&container=c`, 'POST', upgrade),
      await connect(`${POD}/attach?stdin=true&stderr=false`, 'POST', upgrade),
      await connect(`${POD}/portforward?ports=80`, 'POST', upgrade),
      await connect(`${POD}/proxy/a/b?c=d`, 'PUT'),
    ];
    for (const { status, text } of answers) assert.deepEqual([status, /denied the request: no/.test(text)], [400, true], text);
    const [exec, attach, forward, proxy] = world.server.seen(path);
    assert.deepEqual(
      [exec!.operation, exec!.subResource, exec!.name, exec!.kind.kind, exec!.options],
      ['CONNECT', 'exec', 'connected', 'PodExecOptions', null],
    );
    assert.deepEqual(exec!.object, { kind: 'PodExecOptions', apiVersion: 'v1', command: ['sh', '-c'], stdin: true, container: 'c' });
    assert.deepEqual(attach!.object, { kind: 'PodAttachOptions', apiVersion: 'v1', stdin: true, stdout: true, stderr: false });
    assert.deepEqual(forward!.object, { kind: 'PodPortForwardOptions', apiVersion: 'v1', ports: [80] });
    assert.deepEqual(proxy!.object, { kind: 'PodProxyOptions', apiVersion: 'v1', path: '/a/b' });
  });
});

test('conditions that do not compile are refused', async () => {
  const hook = { name: 'a.b.c', clientConfig: world.server.at('/x'), sideEffects: 'None', admissionReviewVersions: ['v1'] };
  const given = {
    metadata: { name: 'bad' },
    webhooks: [
      {
        ...hook,
        matchConditions: [
          { name: 'c', expression: '1 +' },
          { name: 'd', expression: 'objet.x' },
        ],
      },
    ],
  };
  for (const kind of ['mutating', 'validating']) {
    const refused = await call('POST', `${CONFIGURATIONS}/${kind}webhookconfigurations`, given);
    assert.equal(refused.status, 422);
    assert.deepEqual(
      (refused.body as Status).details?.causes?.map(({ field }) => field),
      ['webhooks[0].matchConditions[0].expression', 'webhooks[0].matchConditions[1].expression'],
    );
    assert.match(messageOf(refused), /undeclared reference to 'objet' \(in container ''\)/);
  }
});

test('reviews and token requests are created, too', async () => {
  const reviews = { apiGroups: ['authorization.k8s.io'], resources: ['*'] };
  const add = { op: 'add', path: '/spec/user', value: 'somebody' };
  const asked = await mutating({ rule: reviews, review: () => ({ patch: [add] }) });
  const spec = { user: 'kubernetes-admin', resourceAttributes: { verb: 'get', resource: 'pods' } };
  const made = await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { spec });
  assert.equal(made.status, 201, messageOf(made));
  assert.equal(((made.body as KubeObject)['spec'] as { user: string }).user, 'somebody');
  assert.deepEqual([world.server.seen(asked)[0]!.kind.kind, world.server.seen(asked)[0]!.object?.spec], ['SubjectAccessReview', spec]);
  const token = await validating({ rule: { resources: ['serviceaccounts/token'] }, review: deny });
  const refused = await call('POST', `${SERVICE_ACCOUNTS}/default/token`, { spec: { audiences: [] } });
  assert.match(messageOf(refused), /denied the request: no$/);
  assert.deepEqual(world.server.seen(token)[0]!.kind, { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' });
});
