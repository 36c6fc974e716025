import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Ingress, IngressSpec } from '../api/types.gen.ts';
import { endToEnd } from './headers.ts';
import { buildRoutes, certificateFor, matchRoute, rewritePath } from './routes.ts';
import { selfSignedCertificate } from './self-signed.ts';

const backend = (name: string) => ({ service: { name, port: { number: 80 } } });
const rule = (host: string, ...paths: [path: string, name: string, pathType: string][]) => ({
  host,
  http: { paths: paths.map(([path, name, pathType]) => ({ path, pathType, backend: backend(name) })) },
});
const ingress = (name: string, spec: IngressSpec, annotations: Record<string, string> = {}, created = '2026-01-01T00:00:00Z'): Ingress => ({
  metadata: {
    name,
    namespace: 'default',
    creationTimestamp: created,
    annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`nginx.ingress.kubernetes.io/${key}`, value])),
  },
  spec,
});

const table = buildRoutes([
  ingress('main', {
    rules: [
      rule(
        'shop.example',
        ['/', 'root', 'Prefix'],
        ['/cart', 'cart', 'Prefix'],
        ['/cart/special', 'special', 'Exact'],
        ['/aaa/bbb/', 'slash', 'Prefix'],
      ),
      rule('*.example', ['/', 'wild', 'Prefix']),
      rule('only.example', ['/here', 'here', 'Prefix']),
    ],
    tls: [
      { hosts: ['shop.example'], secretName: 'shop' },
      { hosts: ['*.example'], secretName: 'wild' },
    ],
  }),
  ingress(
    'younger',
    { rules: [rule('shop.example', ['/cart', 'usurper', 'Prefix'], ['/new', 'new', 'Prefix'])] },
    {},
    '2026-02-01T00:00:00Z',
  ),
  ingress('anyone', { rules: [{ http: { paths: [{ path: '/any', pathType: 'Prefix', backend: backend('any') }] } }] }),
  ingress('fallback', { defaultBackend: backend('fallback') }),
]);

describe('routes', () => {
  const rows: [host: string, path: string, expected: string][] = [
    ['shop.example', '/', 'root'],
    ['shop.example', '/cart', 'cart'],
    ['shop.example', '/cart/', 'cart'],
    ['shop.example', '/cart/1', 'cart'],
    ['shop.example', '/cartoon', 'root'],
    ['shop.example', '/cart/special', 'special'],
    ['shop.example', '/cart/special/', 'cart'],
    ['shop.example', '/aaa/bbb', 'slash'],
    ['shop.example', '/aaa/bbb/ccc', 'slash'],
    ['shop.example', '/new', 'new'],
    ['Shop.Example:8443', '/', 'root'],
    ['other.example', '/', 'wild'],
    ['deep.other.example', '/', 'fallback'],
    ['only.example', '/elsewhere', 'fallback'],
    ['unknown.test', '/any/thing', 'any'],
    ['unknown.test', '/', 'fallback'],
    ['', '/any', 'any'],
  ];
  for (const [host, path, expected] of rows) {
    test(`${host}${path} goes to ${expected}`, () => assert.equal(matchRoute(table, host, path).route?.backend.service, expected));
  }

  test('certificates by name', () => {
    assert.deepEqual(
      ['shop.example', 'x.example', 'a.b.example', 'other.test'].map((name) => certificateFor(table, name)),
      ['default/shop', 'default/wild', undefined, undefined],
    );
  });

  test('TLS redirects, unless it is told not to', () => {
    const tls = [{ hosts: ['a.example'], secretName: 'a' }];
    const rules = [rule('a.example', ['/', 'a', 'Prefix']), rule('b.example', ['/', 'b', 'Prefix'])];
    const redirects = (annotations: Record<string, string>) => {
      const { hosts } = buildRoutes([ingress('i', { tls, rules }, annotations)]);
      return ['a.example', 'b.example'].map((host) => hosts.get(host)!.redirectsToHttps);
    };
    assert.deepEqual(redirects({}), [true, false]);
    assert.deepEqual(redirects({ 'ssl-redirect': 'false' }), [false, false]);
    assert.deepEqual(redirects({ 'force-ssl-redirect': 'true' }), [true, true]);
  });

  const rewrites: [path: string, target: string, asked: string, expected: string | undefined][] = [
    ['/app', '/', '/app/page', '/'],
    ['/app(/|$)(.*)', '/$2', '/app/page', '/page'],
    ['/app(/|$)(.*)', '/$2', '/app', '/'],
    ['/app(/|$)(.*)', '/$2', '/application', undefined],
    ['/v(\\d+)/(.*)', '/api/$2', '/V2/items', '/api/items'],
  ];
  for (const [path, target, asked, expected] of rewrites) {
    test(`${path} with rewrite-target ${target}: ${asked}`, () => {
      const { route } = matchRoute(
        buildRoutes([ingress('i', { rules: [rule('a', [path, 'a', 'ImplementationSpecific'])] }, { 'rewrite-target': target })]),
        'a',
        asked,
      );
      assert.equal(route && rewritePath(route, asked), expected);
    });
  }
});

test('headers of the connection stay behind', () => {
  const kept = endToEnd({
    connection: 'keep-alive, X-Mine',
    'keep-alive': '5',
    'x-mine': '1',
    te: 'trailers',
    'transfer-encoding': 'chunked',
    ':authority': 'a',
    accept: '*/*',
    'set-cookie': ['a', 'b'],
  });
  assert.deepEqual(kept, { accept: '*/*', 'set-cookie': ['a', 'b'] });
});

test('the self-signed certificate is one', async () => {
  const now = Date.UTC(2026, 0, 1);
  const { cert } = await selfSignedCertificate(now);
  const parsed = new X509Certificate(cert);
  assert.ok(parsed.verify(parsed.publicKey));
  assert.equal(parsed.subjectAltName, 'DNS:ingress.local');
  assert.equal(parsed.validToDate.getTime(), now + 365 * 24 * 3_600_000);
});
