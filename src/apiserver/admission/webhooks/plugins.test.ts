import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Reviewer } from '../../../../test/fixtures/webhook-server.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { Status } from '../../../api/types.gen.ts';
import { deny, MAPS, messageOf, newMap, SERVICE_ACCOUNTS, webhookWorld } from './world.fixture.ts';

/** What becomes of a request about which webhooks are asked. */
const world = webhookWorld();
const { call, validating, mutating } = world;

const setKey =
  (key: string): Reviewer =>
  ({ object }) => ({ patch: [{ op: 'add', path: '/data', value: { ...object!.data, [key]: 'yes' } }] });

describe('validating webhooks', () => {
  test('deny in their words', async () => {
    const path = await validating({ review: deny });
    const refused = await call('POST', MAPS, newMap());
    assert.deepEqual(
      [refused.status, messageOf(refused)],
      [400, `admission webhook "${path.slice(1)}.example.com" denied the request: no`],
    );
  });

  test('deny without explanation, and with a status of their own', async () => {
    const path = await validating({
      review: () => ({ allowed: false, raw: { status: { code: 403, reason: 'Forbidden', status: 'Success' } } }),
    });
    const refused = await call('POST', MAPS, newMap());
    assert.equal(refused.status, 403);
    assert.equal(messageOf(refused), `admission webhook "${path.slice(1)}.example.com" denied the request: Forbidden`);
    assert.equal((refused.body as Status).status, 'Failure');
    world.reviewers[path] = () => ({ allowed: false });
    assert.match(messageOf(await call('POST', MAPS, newMap())), /denied the request without explanation$/);
  });

  test('are told of the request', async () => {
    const path = await validating({ rule: { operations: ['*'] }, review: () => ({}) });
    const map = newMap({ data: { a: 'b' } });
    const url = `${MAPS}/${map.metadata.name}`;
    await call('POST', `${MAPS}?fieldManager=me`, map);
    await call('PATCH', url, { data: { a: 'c' } }, 'application/merge-patch+json');
    await call('DELETE', url, { gracePeriodSeconds: 0 });
    const [created, patched, deleted] = world.server.seen(path);
    assert.equal(created!.operation, 'CREATE');
    assert.deepEqual(created!.kind, { group: '', version: 'v1', kind: 'ConfigMap' });
    assert.deepEqual(created!.resource, { group: '', version: 'v1', resource: 'configmaps' });
    assert.deepEqual(created!.requestResource, created!.resource);
    assert.deepEqual([created!.name, created!.namespace, created!.dryRun], [map.metadata.name, 'default', false]);
    assert.deepEqual(created!.options, { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' });
    assert.equal(created!.userInfo.username, 'kubernetes-admin');
    assert.deepEqual([created!.object?.kind, created!.oldObject], ['ConfigMap', null]);
    assert.deepEqual([patched!.operation, patched!.object?.data, patched!.oldObject?.data], ['UPDATE', { a: 'c' }, { a: 'b' }]);
    assert.equal(patched!.options?.['kind'], 'UpdateOptions');
    assert.deepEqual([deleted!.operation, deleted!.object, deleted!.oldObject?.data], ['DELETE', null, { a: 'c' }]);
    assert.deepEqual(deleted!.options, { kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 0 });
  });

  test('are asked about each object of a collection that is deleted', async () => {
    const made = [
      newMap({ metadata: { name: 'many-1', labels: { many: 'yes' } } }),
      newMap({ metadata: { name: 'many-2', labels: { many: 'yes' } } }),
    ];
    for (const map of made) await call('POST', MAPS, map);
    const path = await validating({ rule: { operations: ['DELETE'] }, review: () => ({}) });
    assert.equal((await call('DELETE', `${MAPS}?labelSelector=many%3Dyes`)).status, 200);
    assert.deepEqual(
      world.server
        .seen(path)
        .map(({ name }) => name)
        .toSorted(),
      ['many-1', 'many-2'],
    );
  });

  test('side by side', async () => {
    const both = Promise.withResolvers<void>();
    let waiting = 0;
    const review: Reviewer = async () => {
      if (++waiting === 2) both.resolve();
      await both.promise;
      return {};
    };
    await validating({ review });
    await validating({ review });
    assert.equal((await call('POST', MAPS, newMap())).status, 201);
  });

  test('warn, and their metrics are counted', async () => {
    const path = await validating({ review: () => ({ warnings: ['careful'] }) });
    const made = await call('POST', MAPS, newMap());
    assert.match(made.headers['warning'] ?? '', /^299 - "careful"$/);
    const { text = '' } = await world.api.loopback()({ method: 'GET', path: '/metrics' });
    const labels = `name="${path.slice(1)}.example.com",operation="CREATE",rejected="false",type="validating"`;
    assert.ok(text.includes(`apiserver_admission_webhook_admission_duration_seconds_count{${labels}} 1`), text);
    assert.ok(text.includes(`apiserver_admission_webhook_request_total{code="200",${labels}} 1`));
  });
});

describe('mutating webhooks', () => {
  test('change the object one after the other', async () => {
    await mutating({ review: setKey('first') });
    const second = await mutating({ review: setKey('second') });
    const made = await call('POST', MAPS, newMap());
    assert.deepEqual((made.body as KubeObject)['data'], { first: 'yes', second: 'yes' });
    assert.deepEqual(world.server.seen(second)[0]!.object?.data, { first: 'yes' });
  });

  test('are followed by defaults and by the other plugins', async () => {
    const container = { name: 'sidecar', image: 'busybox' };
    const rule = { resources: ['pods'] };
    await mutating({ rule, review: () => ({ patch: [{ op: 'add', path: '/spec/initContainers', value: [container] }] }) });
    await call('POST', SERVICE_ACCOUNTS, { metadata: { name: 'default' } });
    const pod = { metadata: { name: 'mutated' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const made = await call('POST', '/api/v1/namespaces/default/pods', pod);
    assert.equal(made.status, 201, messageOf(made));
    const [added] = ((made.body as KubeObject)['spec'] as { initContainers: Record<string, unknown>[] }).initContainers;
    assert.equal(added!['terminationMessagePath'], '/dev/termination-log');
    assert.equal(added!['imagePullPolicy'], 'Always');
    assert.equal((added!['volumeMounts'] as object[]).length, 1, 'the service account plugin saw it in the second round');
  });

  test('are asked again when a later one changed the object', async () => {
    const first = await mutating({ review: setKey('first'), reinvocationPolicy: 'IfNeeded' });
    const never = await mutating({ review: () => ({}) });
    const last = await mutating({ review: () => ({ patch: [{ op: 'add', path: '/data/last', value: 'yes' }] }) });
    const made = await call('POST', MAPS, newMap());
    assert.deepEqual((made.body as KubeObject)['data'], { first: 'yes', last: 'yes' }, messageOf(made));
    assert.deepEqual(
      [first, never, last].map((path) => world.server.seen(path).length),
      [2, 1, 1],
    );
    assert.deepEqual(world.server.seen(first)[1]!.object?.data, { first: 'yes', last: 'yes' });
  });

  test('cannot move an object to another namespace, nor rename it on an update', async () => {
    const path = await mutating({
      rule: { operations: ['CREATE', 'UPDATE'] },
      review: () => ({ patch: [{ op: 'replace', path: '/metadata/namespace', value: 'kube-system' }] }),
    });
    const refused = await call('POST', MAPS, newMap());
    assert.deepEqual(
      [refused.status, messageOf(refused)],
      [400, 'the namespace of the provided object does not match the namespace sent on the request'],
    );
    world.reviewers[path] = () => ({});
    const map = newMap();
    await call('POST', MAPS, map);
    world.reviewers[path] = () => ({ patch: [{ op: 'replace', path: '/metadata/name', value: 'else' }] });
    const renamed = await call('PATCH', `${MAPS}/${map.metadata.name}`, { data: { a: 'b' } }, 'application/merge-patch+json');
    assert.equal(renamed.status, 422, messageOf(renamed));
  });

  test('cannot garble who manages what', async () => {
    await mutating({
      review: () => ({ patch: [{ op: 'add', path: '/metadata/managedFields', value: [{ manager: 'me', operation: 'Guess' }] }] }),
    });
    const made = await call('POST', MAPS, newMap({ data: { a: 'b' } }));
    assert.match(
      made.headers['warning'] ?? '',
      /\.metadata\.managedFields was in an invalid state after admission; .*: invalid operation: Guess/,
    );
    assert.equal((made.body as KubeObject).metadata.managedFields?.[0]?.operation, 'Update');
  });

  test('a patch that does not apply fails the request', async () => {
    await mutating({ review: () => ({ patch: [{ op: 'remove', path: '/data/none' }] }) });
    const refused = await call('POST', MAPS, newMap());
    assert.equal(refused.status, 500);
    assert.match(messageOf(refused), /^Internal error occurred: .*\/data\/none/);
  });

  test('cannot change what is deleted', async () => {
    const map = newMap();
    await call('POST', MAPS, map);
    await mutating({ rule: { operations: ['DELETE'] }, review: () => ({ patch: [{ op: 'add', path: '/data', value: {} }] }) });
    const refused = await call('DELETE', `${MAPS}/${map.metadata.name}`);
    assert.match(messageOf(refused), /attempted to modify the object, which is not supported for this operation$/);
  });

  test('a dry run asks only those without side effects', async () => {
    const path = await mutating({
      sideEffects: 'NoneOnDryRun',
      review: ({ dryRun }) => ({ patch: [{ op: 'add', path: '/data', value: { dry: String(dryRun) } }] }),
    });
    const tried = await call('POST', `${MAPS}?dryRun=All`, newMap());
    assert.deepEqual((tried.body as KubeObject)['data'], { dry: 'true' });
    assert.equal(world.server.seen(path).length, 1);
  });
});

describe('a webhook that fails', () => {
  const cases: { name: string; review?: Reviewer; fields?: object; message: RegExp }[] = [
    {
      name: 'is not there',
      fields: { clientConfig: { url: 'https://127.0.0.1:1/x' } },
      message:
        /^failed to call webhook: Post "https:\/\/127\.0\.0\.1:1\/x\?timeout=10s": dial tcp 127\.0\.0\.1:1: connect: connection refused$/,
    },
    {
      name: 'takes too long',
      review: () => new Promise(() => {}),
      fields: { timeoutSeconds: 1 },
      message: /^failed to call webhook: Post "https:.*\?timeout=1s": context deadline exceeded$/,
    },
    {
      name: 'answers with an error',
      review: () => Promise.reject(new Error('broken')),
      message: /^failed to call webhook: an error on the server \("Error: broken"\) has prevented the request from succeeding$/,
    },
    {
      name: 'answers another question',
      review: () => ({ raw: { uid: 'x' } }),
      message: /^received invalid webhook response: expected response\.uid="[-0-9a-f]+", got "x"$/,
    },
    {
      name: 'patches, though it may only validate',
      review: () => ({ patch: [{ op: 'add', path: '/data', value: {} }] }),
      message: /^received invalid webhook response: validating webhook may not return response\.patch$/,
    },
    {
      name: 'behind a Service that is not there',
      fields: { clientConfig: { service: { namespace: 'default', name: 'none' } } },
      message: /^failed to call webhook: Post "https:\/\/none\.default\.svc:443\/\?timeout=10s": service "none" not found$/,
    },
  ];
  for (const { name, review = () => ({}), fields = {}, message } of cases) {
    test(name, async () => {
      const path = await validating({ review, ...fields });
      const refused = await call('POST', MAPS, newMap());
      assert.equal(refused.status, 500);
      const opening = `Internal error occurred: failed calling webhook "${path.slice(1)}.example.com": `;
      assert.equal(messageOf(refused).slice(0, opening.length), opening);
      assert.match(messageOf(refused).slice(opening.length), message);
    });
  }

  test('is passed over when it may be', async () => {
    await validating({ review: () => ({ raw: { uid: 'x' } }), failurePolicy: 'Ignore' });
    await mutating({ review: () => ({ raw: { patch: 'e30=', patchType: 'other' } }), failurePolicy: 'Ignore' });
    assert.equal((await call('POST', MAPS, newMap())).status, 201);
  });

  test('whose certificate nobody vouches for', async () => {
    await validating({ review: () => ({}), clientConfig: { url: world.server.at('/x').url } });
    assert.match(
      messageOf(await call('POST', MAPS, newMap())),
      /tls: failed to verify certificate: x509: certificate signed by unknown authority$/,
    );
  });
});

test('AdmissionReview v1beta1 is spoken to those who know no better', async () => {
  const versions: string[] = [];
  await mutating({
    admissionReviewVersions: ['v2', 'v1beta1'],
    review: (_request, { apiVersion }) => {
      versions.push(apiVersion);
      return { patch: [{ op: 'add', path: '/data', value: { old: 'yes' } }] };
    },
  });
  assert.deepEqual(((await call('POST', MAPS, newMap())).body as KubeObject)['data'], { old: 'yes' });
  assert.deepEqual(versions, ['admission.k8s.io/v1beta1']);
});

test('a webhook behind a Service is asked at a ready endpoint, under the name of the Service', async () => {
  const ports = [{ name: 'https', port: 443, targetPort: world.server.port }];
  await call('POST', '/api/v1/namespaces/default/services', { metadata: { name: 'reviewer' }, spec: { ports } });
  const slice = {
    metadata: { name: 'reviewer-1', labels: { 'kubernetes.io/service-name': 'reviewer' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    ports: [{ name: 'https', port: world.server.port }],
  };
  assert.equal((await call('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', slice)).status, 201);
  world.reviewers['/by-service'] = deny;
  const clientConfig = { service: { namespace: 'default', name: 'reviewer', path: '/by-service' }, caBundle: world.server.caBundle };
  await validating({ review: deny, clientConfig });
  assert.match(messageOf(await call('POST', MAPS, newMap())), /denied the request: no$/);
});
