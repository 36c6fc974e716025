import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StatusError } from '../api/status.ts';
import type { ApiRequest, ApiResponse } from '../api/transport.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import type { Client } from './client.ts';
import { createClient } from './new-client.ts';
import { CLUSTER_ROLES, DEPLOYMENTS, PODS } from './resources.ts';

function clientTo(answer: ApiResponse): { client: Client; sent: ApiRequest[] } {
  const sent: ApiRequest[] = [];
  const transport = async (request: ApiRequest): Promise<ApiResponse> => {
    sent.push(request);
    return answer;
  };
  return { client: createClient({ transport, clock: new ManualClock(), log: silentLogger }), sent };
}

const OK: ApiResponse = { status: 200, headers: {}, body: {} };

const calls: { name: string; call: (client: Client) => Promise<unknown>; line: string; body?: unknown; type?: string }[] = [
  { name: 'get', call: (c) => c.resource(PODS, 'a').get('web'), line: 'GET /api/v1/namespaces/a/pods/web' },
  {
    name: 'a name that needs quoting',
    call: (c) => c.resource(CLUSTER_ROLES).get('system:node'),
    line: 'GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
  },
  {
    name: 'list of all namespaces',
    call: (c) => c.resource(PODS).list({ labelSelector: 'a=b,c!=d', limit: 5 }),
    line: 'GET /api/v1/pods?labelSelector=a%3Db%2Cc!%3Dd&limit=5',
  },
  {
    name: 'create adds the kind',
    call: (c) => c.resource(DEPLOYMENTS, 'a').create({ metadata: { name: 'web' } }),
    line: 'POST /apis/apps/v1/namespaces/a/deployments',
    body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } },
  },
  {
    name: 'create goes to the namespace of the object',
    call: (c) => c.resource(PODS).create({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'web', namespace: 'b' } }),
    line: 'POST /api/v1/namespaces/b/pods',
  },
  {
    name: 'status',
    call: (c) => c.resource(PODS, 'a').updateStatus({ metadata: { name: 'web' } }),
    line: 'PUT /api/v1/namespaces/a/pods/web/status',
  },
  {
    name: 'merge patch',
    call: (c) => c.resource(PODS, 'a').patch('web', 'merge', {}),
    line: 'PATCH /api/v1/namespaces/a/pods/web',
    type: 'application/merge-patch+json',
  },
  {
    name: 'apply',
    call: (c) => c.resource(PODS, 'a').apply({ metadata: { name: 'web' } }, { fieldManager: 'me', force: true }),
    line: 'PATCH /api/v1/namespaces/a/pods/web?fieldManager=me&force=true',
    type: 'application/apply-patch+yaml',
  },
  {
    name: 'delete with preconditions',
    call: (c) => c.resource(PODS, 'a').delete('web', { preconditions: { uid: 'u' } }),
    line: 'DELETE /api/v1/namespaces/a/pods/web',
    body: { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'u' } },
  },
  {
    name: 'delete collection',
    call: (c) => c.resource(PODS, 'a').deleteCollection({ labelSelector: 'x' }),
    line: 'DELETE /api/v1/namespaces/a/pods?labelSelector=x',
  },
  {
    name: 'subresource',
    call: (c) => c.resource(PODS, 'a').subresource('web', 'binding', 'POST', {}),
    line: 'POST /api/v1/namespaces/a/pods/web/binding',
  },
];

for (const { name, call, line, body, type } of calls) {
  test(`request: ${name}`, async () => {
    const { client, sent } = clientTo(OK);
    await call(client);
    assert.equal(`${sent[0]!.method} ${sent[0]!.path}`, line);
    if (body) assert.deepEqual(sent[0]!.body, body);
    if (type) assert.equal(sent[0]!.headers?.['content-type'], type);
  });
}

test('one object of a namespaced resource needs its namespace, and a name', () => {
  const { client, sent } = clientTo(OK);
  assert.throws(() => client.resource(PODS).get('web'), /namespace is needed/);
  assert.throws(() => client.resource(PODS, 'a').get(''), /name is needed/);
  assert.equal(sent.length, 0);
});

const failures: { name: string; answer: ApiResponse; reason: string; code: number; message: RegExp }[] = [
  {
    name: 'a Status',
    answer: { status: 409, headers: {}, body: { kind: 'Status', reason: 'Conflict', message: 'modified' } },
    reason: 'Conflict',
    code: 409,
    message: /modified/,
  },
  {
    name: 'a text',
    answer: { status: 404, headers: {}, text: '404 page not found\n' },
    reason: 'NotFound',
    code: 404,
    message: /page not found/,
  },
  { name: 'nothing', answer: { status: 502, headers: {} }, reason: 'InternalError', code: 502, message: /status 502/ },
];

for (const { name, answer, reason, code, message } of failures) {
  test(`a failure that is ${name} becomes a StatusError`, async () => {
    const { client } = clientTo(answer);
    await assert.rejects(
      client.request({ method: 'GET', path: '/x' }),
      (error) => error instanceof StatusError && error.reason === reason && error.code === code && message.test(error.message),
    );
  });
}
