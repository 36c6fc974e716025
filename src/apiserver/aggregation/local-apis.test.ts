import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN, startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { ResourceInfo, Schema } from '../../api/schema/schema.ts';
import type { ApiResponse, UserInfo } from '../../api/transport.ts';
import type { APIService, Status } from '../../api/types.gen.ts';
import { overHttps } from './https.fixture.ts';

const ROOT = '/apis/tide.example.com/v1beta1';
const text: Schema = { type: 'string' };
const info: Omit<ResourceInfo, 'custom'> = {
  group: 'tide.example.com',
  version: 'v1beta1',
  resource: 'tides',
  singular: 'tide',
  kind: 'Tide',
  namespaced: true,
  shortNames: [],
  categories: [],
  verbs: ['get', 'list'],
  subresources: [],
  storagePrefix: '',
  storageVersion: 'tide.example.com/v1beta1',
  schema: { type: 'object', fields: { apiVersion: { schema: text }, kind: { schema: text }, level: { schema: text } } },
  selectableFields: [],
};
const TIDES: KubeObject[] = [
  { metadata: { name: 'high', namespace: 'default', labels: { moon: 'full' } }, level: '3m' },
  { metadata: { name: 'low', namespace: 'default', labels: { moon: 'new' } }, level: '1m' },
];

let api: TestApiServer;
let withdraw: () => void;
before(async () => {
  api = await startTestApiServer();
  withdraw = api.server.localApis.add({
    group: 'tide.example.com',
    version: 'v1beta1',
    groupPriorityMinimum: 100,
    versionPriority: 100,
    resources: [
      {
        info,
        get: async (namespace, name) => TIDES.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name),
        list: async (namespace) => TIDES.filter(({ metadata }) => namespace === '' || metadata.namespace === namespace),
      },
    ],
  });
});
after(() => api?.close());

const get = (path: string, user: UserInfo = ADMIN): Promise<ApiResponse> => api.loopback(user)({ method: 'GET', path });
const names = ({ body }: ApiResponse): unknown[] => (body as { items: KubeObject[] }).items.map(({ metadata }) => metadata.name);

test('objects are told, selected and typed', async () => {
  const one = (await get(`${ROOT}/namespaces/default/tides/high`)).body as KubeObject;
  assert.deepEqual([one.kind, one.apiVersion, one['level']], ['Tide', 'tide.example.com/v1beta1', '3m']);
  const all = await get(`${ROOT}/tides`);
  assert.equal((all.body as { kind: string }).kind, 'TideList');
  assert.deepEqual(names(all), ['high', 'low']);
  assert.deepEqual(names(await get(`${ROOT}/namespaces/other/tides`)), []);
  assert.deepEqual(names(await get(`${ROOT}/tides?labelSelector=moon%3Dnew`)), ['low']);
  assert.deepEqual(names(await get(`${ROOT}/tides?fieldSelector=metadata.name%3Dhigh`)), ['high']);
});

test('what is not there, may not be done or is not allowed is told in the usual words', async () => {
  const missing = (await get(`${ROOT}/namespaces/default/tides/spring`)).body as Status;
  assert.equal(missing.message, 'tides.tide.example.com "spring" not found');
  assert.equal((await get(`${ROOT}/tides?watch=true`)).status, 405);
  assert.equal((await get(`${ROOT}/waves`)).status, 404);
  assert.equal((await get(`${ROOT}/tides`, { name: 'bob', groups: [] })).status, 403);
  const made = await api.loopback()({ method: 'POST', path: `${ROOT}/namespaces/default/tides`, body: { metadata: { name: 'x' } } });
  assert.equal(made.status, 405);
});

test('over TLS also as a Table and as YAML', async () => {
  const table = await overHttps(api, 'GET', `${ROOT}/tides`, { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
  assert.deepEqual(
    (JSON.parse(table.text) as { rows: { cells: unknown[] }[] }).rows.map(({ cells }) => cells[0]),
    ['high', 'low'],
  );
  const yaml = await overHttps(api, 'GET', `${ROOT}/tides`, { accept: 'application/yaml' });
  assert.match(yaml.text, /^kind: TideList$/m);
});

test('discovery and OpenAPI show it, and an APIService, as long as it is announced', async () => {
  const list = (await get(ROOT)).body as { resources: { name: string }[] };
  assert.equal(list.resources[0]!.name, 'tides');
  const index = (await get('/openapi/v3')).body as { paths: object };
  assert.ok('apis/tide.example.com/v1beta1' in index.paths);
  const path = '/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.tide.example.com';
  await eventually(async () => assert.equal(((await get(path)).body as APIService).status?.conditions?.[0]?.reason, 'Local'));
  withdraw();
  withdraw();
  assert.equal((await get(`${ROOT}/tides`)).status, 404);
  assert.equal((await get(ROOT)).status, 404);
  await eventually(async () => assert.equal((await get(path)).status, 404));
});
