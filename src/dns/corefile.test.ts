import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createClient } from '../client/new-client.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { seededRng } from '../lib/random.ts';
import { compile } from './chain.ts';
import { parseCorefile } from './corefile.ts';
import { defaultCorefile } from './default-corefile.ts';
import { respond } from './message.ts';
import { Metrics } from './metrics.ts';
import type { DnsContext } from './plugin.ts';

const clock = systemClock({ unref: true });
const context: DnsContext = {
  client: createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log: silentLogger }),
  clock,
  rng: seededRng(1),
  log: silentLogger,
  metrics: new Metrics(),
  resolvConf: '/nonexistent',
  host: '127.0.0.1',
  isReady: () => true,
  resolve: () => respond(0),
};

describe('the Corefile', () => {
  test('blocks, zones, ports, arguments, comments and quotes', () => {
    const text = [
      '# for the tests',
      'example.ORG. cluster.local:1053 10.1.0.0/16 {',
      '  forward . 192.0.2.1 { max_fails 2 } # why',
      '  log',
      '  rewrite name "a b" {$NAME}',
      '}',
      '.{',
      '}',
    ].join('\n');
    assert.throws(() => parseCorefile(text), /Corefile:7 - Error during parsing: "\.\{" is not a zone|expected/);
    const blocks = parseCorefile(text.replace('.{', '. {'), { NAME: 'c' });
    assert.deepEqual(
      blocks.map(({ zones, port, line }) => ({ zones, port, line })),
      [
        { zones: ['example.org', '1.10.in-addr.arpa'], port: 53, line: 2 },
        { zones: ['cluster.local'], port: 1053, line: 2 },
        { zones: [''], port: 53, line: 7 },
      ],
    );
    const [forward, log, rewrite] = blocks[0]!.directives;
    assert.deepEqual(forward, {
      name: 'forward',
      args: ['.', '192.0.2.1'],
      line: 3,
      block: [{ name: 'max_fails', args: ['2'], block: [], line: 3 }],
    });
    assert.deepEqual(log, { name: 'log', args: [], block: [], line: 4 });
    assert.deepEqual(rewrite!.args, ['name', 'a b', 'c']);
  });

  test('the default one is right', () => {
    const [block] = parseCorefile(defaultCorefile('home.arpa'));
    assert.deepEqual(compile(block!, context).zones, ['']);
  });

  const wrong: [text: string, message: RegExp][] = [
    ['', /Corefile:1 - Error during parsing: there is no server block/],
    ['.:53 {\n errors\n', /Corefile:2 - .*unexpected end of file, expected '}'/],
    ['.:53\n', /Corefile:1 - .*expected '\{' after the zones/],
    ['{\n}', /Corefile:1 - .*begins with its zones/],
    ['.:53 {\n}\n.:53 {\n}', /Corefile:3 - .*cannot serve dns:\/\/\.:53 - it is already defined/],
    ['tls://. {\n}', /Corefile:1 - .*the protocol "tls" is not served/],
    ['.:99999 {\n}', /Corefile:1 - .*"99999" is not a port/],
    ['. {\n  nonsense\n}', /Corefile:2 - .*Unknown directive 'nonsense'/],
    ['. {\n  errors\n  kubernetes {\n    pods maybe\n  }\n}', /Corefile:4 - .*"maybe" is none of disabled, insecure, verified/],
    ['. {\n  kubernetes {\n    labels x\n  }\n}', /Corefile:3 - .*labels: is not supported/],
    ['. {\n  forward . upstream.example\n}', /Corefile:2 - .*forward: not an IP address or file: "upstream\.example"/],
    ['. {\n  forward .\n}', /Corefile:2 - .*forward: needs a zone and at least one address or file/],
    ['. {\n  forward . tls://1.1.1.1\n}', /Corefile:2 - .*only plain DNS upstreams are supported/],
    ['. {\n  cache 0\n}', /Corefile:2 - .*cache: "0" is not a number of at least 1/],
    ['. {\n  cache {\n    serve_stale\n  }\n}', /Corefile:3 - .*serve_stale: unknown property of cache/],
    ['. {\n  rewrite name a\n}', /Corefile:2 - .*rewrite: needs a name and its replacement/],
    ['. {\n  rewrite type A AAAA\n}', /Corefile:2 - .*only "rewrite name" is supported/],
    ['. {\n  rewrite name regex ( b\n}', /Corefile:2 - .*rewrite: .*Unterminated group/],
    ['. {\n  hosts {\n    localhost 127.0.0.1\n  }\n}', /Corefile:3 - .*localhost: neither an address nor a property of hosts/],
    ['. {\n  reload soon\n}', /Corefile:2 - .*"soon" is not a duration/],
    ['. {\n  loadbalance weighted\n}', /Corefile:2 - .*unknown policy "weighted"/],
  ];
  for (const [text, message] of wrong) {
    test(`says what is wrong with ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseCorefile(text).map((block) => compile(block, context)), message);
    });
  }

  test('upstreams are read in every form', () => {
    for (const to of ['192.0.2.1', '192.0.2.1:5353', 'dns://192.0.2.1', '2001:db8::1', '[2001:db8::1]:5353', '/etc/resolv.conf']) {
      const [block] = parseCorefile(`. {\n forward . ${to}\n}`);
      assert.equal(compile(block!, context).plugins.length, 1, to);
    }
  });
});
