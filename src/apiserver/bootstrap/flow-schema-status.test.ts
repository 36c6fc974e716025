import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { KubeList } from '../../api/meta.ts';
import type { ApiRequest } from '../../api/transport.ts';
import type { ComponentStatus, FlowSchema } from '../../api/types.gen.ts';

let api: TestApiServer;
before(async () => {
  const components = new Map([
    ['scheduler', () => Promise.resolve()],
    ['controller-manager', () => Promise.reject(new Error('controller-manager is not running'))],
  ]);
  api = await startTestApiServer({ components });
});
after(() => api.close());

async function call<T>(method: ApiRequest['method'], path: string, body?: unknown): Promise<T> {
  const response = await api.loopback()({ method, path, ...(body === undefined ? {} : { body }) });
  assert.ok(response.status < 300, JSON.stringify(response.body));
  return response.body as T;
}

const FLOW = '/apis/flowcontrol.apiserver.k8s.io/v1';
const soon = { within: 10_000, every: 5 };

test('each FlowSchema says whether the level that it names exists', async () => {
  const dangling = async (name: string): Promise<unknown[]> => {
    const { status } = await call<FlowSchema>('GET', `${FLOW}/flowschemas/${name}`);
    const { type, status: is, reason, message } = status!.conditions![0]!;
    return [type, is, reason, message];
  };
  const references = 'This FlowSchema references the PriorityLevelConfiguration object named';
  await eventually(
    async () => assert.deepEqual(await dangling('exempt'), ['Dangling', 'False', 'Found', `${references} "exempt" and it exists`]),
    soon,
  );
  const spec = { matchingPrecedence: 777, priorityLevelConfiguration: { name: 'mine' }, rules: [] };
  await call('POST', `${FLOW}/flowschemas`, { metadata: { name: 'mine' }, spec });
  const lost = ['Dangling', 'True', 'NotFound', `${references} "mine" but there is no such object`];
  await eventually(async () => assert.deepEqual(await dangling('mine'), lost), soon);
  const level = { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } };
  await call('POST', `${FLOW}/prioritylevelconfigurations`, { metadata: { name: 'mine' }, spec: level });
  await eventually(async () => assert.equal((await dangling('mine'))[1], 'False'), soon);
  await call('DELETE', `${FLOW}/prioritylevelconfigurations/mine`);
  await eventually(async () => assert.deepEqual(await dangling('mine'), lost), soon);
});

test('component statuses tell of the store and of what the server was told', async () => {
  const { items } = await call<KubeList<ComponentStatus>>('GET', '/api/v1/componentstatuses');
  assert.deepEqual(
    items.map(({ metadata, conditions }) => [metadata.name, conditions![0]]),
    [
      ['controller-manager', { type: 'Healthy', status: 'False', error: 'controller-manager is not running' }],
      ['etcd-0', { type: 'Healthy', status: 'True', message: 'ok' }],
      ['scheduler', { type: 'Healthy', status: 'True', message: 'ok' }],
    ],
  );
  const one = await call<ComponentStatus>('GET', '/api/v1/componentstatuses/scheduler');
  assert.equal(one.conditions![0]!.message, 'ok');
});
