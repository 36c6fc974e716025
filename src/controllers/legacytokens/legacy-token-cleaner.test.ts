import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS } from '../../client/resources.ts';
import { createLegacyTokenCleaner } from './legacy-token-cleaner.ts';

const DAY_MS = 86_400_000;

test('tokens that an account once got and nobody used for a year are marked, and go a year later', () =>
  withControllers(async ({ api, clock, context, start, pass, logged }) => {
    const { client } = context;
    // Everything is made 500 days before it is looked at.
    const today = clock.now() + 500 * DAY_MS;
    const date = (daysAgo: number): string => new Date(today - daysAgo * DAY_MS).toISOString().slice(0, 10);
    const create = (name: string, more: { labels?: Record<string, string>; type?: string } = {}): Promise<unknown> =>
      client.resource(SECRETS, 'a').create({
        metadata: {
          name,
          labels: more.labels ?? {},
          annotations: { 'kubernetes.io/service-account.name': 'sa' },
        },
        type: more.type ?? 'kubernetes.io/service-account-token',
      });
    const names = ['unused', 'used-long-ago', 'used', 'new', 'mounted', 'marked', 'marked-long-ago'];
    await client.resource(SERVICE_ACCOUNTS, 'a').create({ metadata: { name: 'sa' }, secrets: names.map((name) => ({ name })) });
    await client.resource(CONFIG_MAPS, 'kube-system').create({
      metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking' },
      data: { since: date(400) },
    });
    await client.resource(PODS, 'a').create({
      metadata: { name: 'p' },
      spec: { containers: [], volumes: [{ name: 'v', secret: { secretName: 'mounted' } }] },
    });
    const lastUsed = 'kubernetes.io/legacy-token-last-used';
    const invalidSince = 'kubernetes.io/legacy-token-invalid-since';
    await create('unused');
    await create('used-long-ago', { labels: { [lastUsed]: date(370) } });
    await create('used', { labels: { [lastUsed]: date(300) } });
    await create('mounted');
    await create('made-by-hand');
    await create('marked', { labels: { [invalidSince]: date(300) } });
    await create('marked-long-ago', { labels: { [invalidSince]: date(370) } });
    await create('other', { type: 'Opaque' });
    await clock.advance(500 * DAY_MS);
    await create('new');
    await start(createLegacyTokenCleaner(context));
    await pass(1000);
    const marked = (): string[] =>
      api
        .all(SECRETS)
        .filter(({ metadata }) => metadata.labels?.[invalidSince])
        .map(({ metadata }) => metadata.name!);
    assert.deepEqual(marked(), ['unused', 'used-long-ago', 'marked']);
    assert.equal(api.all(SECRETS).length, 8, 'one is gone');
    await pass(70 * DAY_MS);
    assert.deepEqual(marked(), ['unused', 'used-long-ago', 'used'], 'what was marked first is gone, what was used last is marked');
    assert.deepEqual(logged, []);
  }));

test('nothing is judged before a year of tracking', () =>
  withControllers(async ({ api, clock, context, start, pass }) => {
    const { client } = context;
    const since = new Date(clock.now() + 200 * DAY_MS).toISOString().slice(0, 10);
    const name = 'kube-apiserver-legacy-service-account-token-tracking';
    await client.resource(CONFIG_MAPS, 'kube-system').create({ metadata: { name }, data: { since } });
    await client.resource(SERVICE_ACCOUNTS, 'a').create({ metadata: { name: 'sa' }, secrets: [{ name: 't' }] });
    await client.resource(SECRETS, 'a').create({
      metadata: { name: 't', annotations: { 'kubernetes.io/service-account.name': 'sa' } },
      type: 'kubernetes.io/service-account-token',
    });
    await clock.advance(500 * DAY_MS);
    await start(createLegacyTokenCleaner(context));
    await pass(1000);
    assert.equal(api.all(SECRETS)[0]!.metadata.labels, undefined);
    await pass(70 * DAY_MS);
    assert.ok(api.all(SECRETS)[0]!.metadata.labels!['kubernetes.io/legacy-token-invalid-since']);
  }));
