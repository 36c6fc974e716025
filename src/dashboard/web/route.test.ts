import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Route, href, parseRoute } from './route.ts';

for (const { hash, route } of [
  { hash: '#/', route: { page: 'overview', namespace: '' } },
  { hash: '#/?ns=shop', route: { page: 'overview', namespace: 'shop' } },
  { hash: '#/pods', route: { page: 'list', kind: 'pods', namespace: '' } },
  {
    hash: '#/pods/shop/web-1?ns=shop',
    route: { page: 'object', kind: 'pods', in: 'shop', name: 'web-1', tab: 'summary', namespace: 'shop' },
  },
  { hash: '#/pods/shop/web-1/logs', route: { page: 'object', kind: 'pods', in: 'shop', name: 'web-1', tab: 'logs', namespace: '' } },
  { hash: '#/nodes/-/rockpool/yaml', route: { page: 'object', kind: 'nodes', in: '', name: 'rockpool', tab: 'yaml', namespace: '' } },
  {
    hash: '#/clusterroles/-/system%3Anode',
    route: { page: 'object', kind: 'clusterroles', in: '', name: 'system:node', tab: 'summary', namespace: '' },
  },
] as { hash: string; route: Route }[]) {
  test(`${hash} is an address and back`, () => {
    assert.deepEqual(parseRoute(hash), route);
    assert.equal(href(route), hash);
  });
}

test('no address is the overview', () => assert.deepEqual(parseRoute(''), { page: 'overview', namespace: '' }));
