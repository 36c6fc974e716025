import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { Status } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';

const JANE: UserInfo = { name: 'jane', uid: 'u1', groups: ['devs'] };
const AUTHORIZATION = '/apis/authorization.k8s.io/v1';
const AUTHENTICATION = '/apis/authentication.k8s.io/v1';

interface Answer {
  status: number;
  body: Omit<Status, 'status'> & { kind: string; apiVersion: string; status: Record<string, unknown> };
}

describe('reviews', () => {
  let server: TestApiServer;
  const post = async (path: string, body: object, user?: UserInfo): Promise<Answer> =>
    (await server.loopback(user)({ method: 'POST', path, body })) as Answer;
  const token = async (body: object, name = 'web') => post(`/api/v1/namespaces/default/serviceaccounts/${name}/token`, body);

  before(async () => {
    server = await startTestApiServer();
    const made = await post('/api/v1/namespaces/default/serviceaccounts', {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'web' },
    });
    assert.equal(made.status, 201);
  });
  after(() => server.close());

  test('SubjectAccessReview asks for anybody', async () => {
    const review = (spec: object) => post(`${AUTHORIZATION}/subjectaccessreviews`, { spec });
    const attributes = { verb: 'list', resource: 'pods', namespace: 'default' };
    const yes = await review({ user: 'x', groups: ['system:masters'], resourceAttributes: attributes });
    assert.deepEqual(
      [yes.status, yes.body.kind, yes.body.apiVersion, yes.body.status],
      [201, 'SubjectAccessReview', 'authorization.k8s.io/v1', { allowed: true }],
    );
    assert.deepEqual((await review({ user: 'x', resourceAttributes: attributes })).body.status, { allowed: false });
    assert.deepEqual(
      (await review({ user: 'x', groups: ['system:authenticated'], nonResourceAttributes: { verb: 'get', path: '/api' } })).body.status,
      {
        allowed: true,
        reason: 'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated"',
      },
    );
    const neither = await review({ user: 'x' });
    assert.equal(neither.status, 422);
    assert.match(neither.body.message!, /exactly one of nonResourceAttributes or resourceAttributes must be specified/);
  });

  test('LocalSubjectAccessReview stays in its namespace', async () => {
    const answer = await post(`${AUTHORIZATION}/namespaces/default/localsubjectaccessreviews`, {
      spec: { user: 'x', resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'other' } },
    });
    assert.match(answer.body.message!, /spec\.resourceAttributes\.namespace: Invalid value: "other": must match metadata\.namespace/);
  });

  test('SelfSubjectAccessReview and SelfSubjectRulesReview are about the caller', async () => {
    const spec = { resourceAttributes: { verb: 'create', group: 'authorization.k8s.io', resource: 'selfsubjectaccessreviews' } };
    assert.deepEqual((await post(`${AUTHORIZATION}/selfsubjectaccessreviews`, { spec }, JANE)).body.status, {
      allowed: true,
      reason: 'RBAC: allowed by ClusterRoleBinding "system:basic-user" of ClusterRole "system:basic-user" to Group "system:authenticated"',
    });
    const rules = await post(`${AUTHORIZATION}/selfsubjectrulesreviews`, { spec: { namespace: 'default' } }, JANE);
    const { resourceRules, incomplete } = rules.body.status as { resourceRules: { resources: string[] }[]; incomplete: boolean };
    assert.equal(incomplete, false);
    assert.ok(resourceRules.some(({ resources }) => resources.includes('selfsubjectrulesreviews')));
    assert.equal((await post(`${AUTHORIZATION}/selfsubjectrulesreviews`, {}, JANE)).body.message, 'no namespace on request');
  });

  test('SelfSubjectReview says who one is', async () => {
    const { body } = await post(`${AUTHENTICATION}/selfsubjectreviews`, {}, JANE);
    assert.deepEqual(body.status['userInfo'], { username: 'jane', uid: 'u1', groups: ['devs', 'system:authenticated'] });
  });

  test('a token is issued, works over TLS, and is reviewed', async () => {
    const issued = await token({ apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 600 } });
    assert.equal(issued.status, 201);
    const { status } = issued.body as unknown as { status: { token: string; expirationTimestamp: string } };
    assert.match(status.expirationTimestamp, /^\d{4}-.*Z$/);
    const review = await post(`${AUTHENTICATION}/tokenreviews`, { spec: { token: status.token } });
    const { authenticated, user } = review.body.status as { authenticated: boolean; user: { username: string } };
    assert.deepEqual([authenticated, user.username], [true, 'system:serviceaccount:default:web']);
    const other = await post(`${AUTHENTICATION}/tokenreviews`, { spec: { token: status.token, audiences: ['vault'] } });
    assert.equal(other.body.status['authenticated'], false);
  });

  test('a token for a vault is for the vault', async () => {
    const { body } = await token({ spec: { audiences: ['vault'] } });
    const { status } = body as unknown as { status: { token: string } };
    const review = async (audiences?: string[]) =>
      (await post(`${AUTHENTICATION}/tokenreviews`, { spec: { token: status.token, ...(audiences ? { audiences } : {}) } })).body.status;
    assert.equal((await review(['vault', 'x']))['authenticated'], true);
    assert.deepEqual((await review(['vault', 'x']))['audiences'], ['vault']);
    assert.equal((await review())['authenticated'], false);
  });

  const refused: [string, string, object, number, RegExp][] = [
    ['no such account', 'nobody', {}, 404, /^serviceaccounts "nobody" not found$/],
    ['too short', 'web', { spec: { expirationSeconds: 10 } }, 422, /may not specify a duration less than 10 minutes/],
    [
      'bound to a pod that is not there',
      'web',
      { spec: { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'x' } } },
      404,
      /^pods "x" not found$/,
    ],
    [
      'bound to something else',
      'web',
      { spec: { boundObjectRef: { kind: 'ConfigMap', apiVersion: 'v1', name: 'x' } } },
      400,
      /cannot bind token to object of type/,
    ],
  ];
  for (const [name, account, body, code, message] of refused) {
    test(`no token: ${name}`, async () => {
      const answer = await token(body, account);
      assert.equal(answer.status, code);
      assert.match(answer.body.message!, message);
    });
  }

  test('others can verify our tokens by OpenID discovery', async () => {
    const read = async (path: string) => server.loopback()({ method: 'GET', path });
    const { jwks_uri: keys } = (await read('/.well-known/openid-configuration')).body as { jwks_uri: string };
    assert.match(keys, /\/openid\/v1\/jwks$/);
    const { text, body } = await read('/openid/v1/jwks');
    const document = (body ?? JSON.parse(text!)) as { keys: { use: string; kid: string; d?: string }[] };
    assert.equal(document.keys[0]!.use, 'sig');
    assert.equal(document.keys[0]!.d, undefined, 'the private part stays here');
  });
});
