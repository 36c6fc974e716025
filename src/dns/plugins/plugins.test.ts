import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Answer } from 'dns-packet';
import { createClient } from '../../client/new-client.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { seededRng } from '../../lib/random.ts';
import { parseCorefile } from '../corefile.ts';
import { type Query, RCODES, respond, type Response } from '../message.ts';
import { Metrics } from '../metrics.ts';
import type { PluginFactory } from '../plugin.ts';
import { cache } from './cache.ts';
import { hosts } from './hosts.ts';
import { rewrite } from './rewrite.ts';

const record = (name: string, data: string, ttl = 300): Answer => ({ name, type: 'A', ttl, data });
const soa: Answer = { name: 'example', type: 'SOA', ttl: 60, data: { mname: 'ns', rname: 'root', minimum: 10 } };
const query = (name: string, type: Query['type'] = 'A'): Query => ({ name, type, client: 'local', protocol: 'local', dnssecOk: false });

/** The plugin of one directive, above something that counts its questions. */
async function plugin(factory: PluginFactory, directive: string, below: (asked: Query) => Response) {
  const clock = new ManualClock();
  const context = {
    client: createClient({ transport: () => Promise.reject(new Error('not asked')), clock, log: silentLogger }),
    clock,
    rng: seededRng(1),
    log: silentLogger,
    metrics: new Metrics(),
    resolvConf: '',
    host: '',
    isReady: () => true,
    resolve: below,
  };
  const made = factory({ directive: parseCorefile(`. {\n${directive}\n}`)[0]!.directives[0]!, zones: [''], context });
  await made.start?.(AbortSignal.timeout(10_000));
  const asked: string[] = [];
  const handle = made.handler!((each) => {
    asked.push(each.name);
    return below(each);
  });
  return { clock, asked, ask: async (name: string, type?: Query['type']) => handle(query(name, type)) };
}

describe('cache', () => {
  test('keeps an answer while its records live, and lets them age', async () => {
    const { clock, asked, ask } = await plugin(cache, 'cache 30', ({ name }) =>
      respond(RCODES.NOERROR, { answers: [record(name, '192.0.2.1', 20)] }),
    );
    await ask('a');
    await clock.advance(15_000);
    assert.deepEqual((await ask('a')).answers, [record('a', '192.0.2.1', 5)]);
    assert.equal(asked.length, 1);
    await clock.advance(5_001);
    await ask('a');
    assert.equal(asked.length, 2);
  });

  test('keeps nothing longer than it is told', async () => {
    const { clock, asked, ask } = await plugin(cache, 'cache 30', ({ name }) =>
      respond(RCODES.NOERROR, { answers: [record(name, '192.0.2.1', 86_400)] }),
    );
    await ask('a');
    await clock.advance(29_000);
    await ask('a');
    await clock.advance(2_000);
    await ask('a');
    assert.equal(asked.length, 2);
  });

  test('keeps a denial for as long as its SOA says', async () => {
    const { clock, asked, ask } = await plugin(cache, 'cache 30', () => respond(RCODES.NXDOMAIN, { authorities: [soa] }));
    await ask('a');
    await clock.advance(9_000);
    assert.equal((await ask('a')).rcode, RCODES.NXDOMAIN);
    await clock.advance(2_000);
    await ask('a');
    assert.equal(asked.length, 2);
  });

  test('types and names are apart; live answers are never kept', async () => {
    const { asked, ask } = await plugin(cache, 'cache 30', ({ name }) =>
      respond(RCODES.NOERROR, { answers: [record(name, '192.0.2.1')], live: name === 'live' }),
    );
    for (const [name, type] of [
      ['a', 'A'],
      ['a', 'AAAA'],
      ['b', 'A'],
      ['a', 'A'],
      ['live', 'A'],
      ['live', 'A'],
    ] as const)
      await ask(name, type);
    assert.deepEqual(asked, ['a', 'a', 'b', 'live', 'live']);
  });

  test('the oldest goes where there is no room', async () => {
    const { asked, ask } = await plugin(cache, 'cache {\n success 2\n}', ({ name }) =>
      respond(RCODES.NOERROR, { answers: [record(name, '192.0.2.1')] }),
    );
    for (const name of ['a', 'b', 'c', 'c', 'a']) await ask(name);
    assert.deepEqual(asked, ['a', 'b', 'c', 'a']);
  });
});

describe('rewrite', () => {
  const rows: [rule: string, asked: string, becomes: string][] = [
    ['rewrite name old.example new.example', 'old.example', 'new.example'],
    ['rewrite name old.example new.example', 'older.example', 'older.example'],
    ['rewrite name suffix .outside.example .default.svc.cluster.local', 'web.outside.example', 'web.default.svc.cluster.local'],
    ['rewrite stop name prefix old- new-', 'old-web.example', 'new-web.example'],
    ['rewrite name substring dev prod', 'web.dev.example', 'web.prod.example'],
    ['rewrite name regex (.*)\\.my\\.host$ {1}.svc.cluster.local answer auto', 'web.my.host', 'web.svc.cluster.local'],
  ];
  for (const [rule, name, becomes] of rows) {
    test(`${rule}: ${name}`, async () => {
      const { asked, ask } = await plugin(rewrite, rule, (each) => respond(RCODES.NOERROR, { answers: [record(each.name, '192.0.2.1')] }));
      assert.deepEqual((await ask(name)).answers, [record(name, '192.0.2.1')]);
      assert.deepEqual(asked, [becomes]);
    });
  }
});

describe('hosts', () => {
  const corefile = 'hosts {\n 192.0.2.1 one.example also.example\n 2001:db8::1 one.example\n ttl 60\n fallthrough\n}';
  test('answers names, families and addresses, and passes the rest on', async () => {
    const { asked, ask } = await plugin(hosts, corefile, () => respond(RCODES.NXDOMAIN));
    assert.deepEqual((await ask('also.example')).answers, [record('also.example', '192.0.2.1', 60)]);
    assert.deepEqual((await ask('one.example', 'AAAA')).answers, [{ name: 'one.example', type: 'AAAA', ttl: 60, data: '2001:db8::1' }]);
    assert.deepEqual([(await ask('also.example', 'AAAA')).rcode, (await ask('also.example', 'AAAA')).answers.length], [RCODES.NOERROR, 0]);
    assert.deepEqual(
      (await ask('1.2.0.192.in-addr.arpa', 'PTR')).answers.map((each) => 'data' in each && each.data),
      ['one.example', 'also.example'],
    );
    assert.deepEqual(asked, []);
    await ask('other.example');
    assert.deepEqual(asked, ['other.example']);
  });

  test('without fallthrough the rest is not there', async () => {
    const { asked, ask } = await plugin(hosts, corefile.replace(' fallthrough\n', ''), () => respond(RCODES.NOERROR));
    assert.equal((await ask('other.example')).rcode, RCODES.NXDOMAIN);
    assert.deepEqual(asked, []);
  });
});
