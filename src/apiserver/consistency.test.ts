import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../test/fixtures/apiserver.ts';
import type { KubeList, KubeObject } from '../api/meta.ts';
import type { ApiResponse } from '../api/transport.ts';
import { seededRng, type Rng } from '../lib/random.ts';

/** What a client builds from a list and the watch after it must at any revision be what a list would show. */

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

const PATH = '/api/v1/namespaces/default/configmaps';
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const LABELS = ['red', 'green'];
const SELECTORS = [
  '',
  'labelSelector=color%3Dred',
  'labelSelector=color',
  'fieldSelector=metadata.name%3Dc',
  'fieldSelector=metadata.name!%3Dc',
];
const MERGE = { 'content-type': 'application/merge-patch+json' };

const pick = <T>(rng: Rng, from: readonly T[]): T => from[Math.floor(rng.next() * from.length)]!;

async function writeSomething(rng: Rng, step: number): Promise<void> {
  const name = pick(rng, NAMES);
  const labels = rng.next() < 0.3 ? {} : { color: pick(rng, LABELS) };
  const call = api.loopback();
  const kind = Math.floor(rng.next() * 4);
  if (kind === 0) await call({ method: 'POST', path: PATH, body: { metadata: { name, labels }, data: { step: String(step) } } });
  else if (kind === 1) await call({ method: 'DELETE', path: `${PATH}/${name}` });
  else if (kind === 2)
    await call({
      method: 'PATCH',
      path: `${PATH}/${name}`,
      headers: MERGE,
      body: { metadata: { labels: { color: labels.color ?? null } } },
    });
  else await call({ method: 'PUT', path: `${PATH}/${name}`, body: { metadata: { name, labels }, data: { step: String(step) } } });
}

interface Replica {
  selector: string;
  objects: Map<string, KubeObject>;
  revision: number;
  stop: () => void;
  ended: Promise<void>;
}

async function replicate(selector: string, from: 'list' | 'state'): Promise<Replica> {
  const call = api.loopback();
  const stop = new AbortController();
  const replica: Replica = { selector, objects: new Map(), revision: 0, stop: () => stop.abort(), ended: Promise.resolve() };
  let since = '';
  if (from === 'list') {
    const { body } = await call({ method: 'GET', path: `${PATH}?${selector}` });
    const list = body as KubeList;
    for (const object of list.items) replica.objects.set(object.metadata.name!, object);
    since = `&resourceVersion=${list.metadata.resourceVersion}`;
  }
  const response = await call({ method: 'GET', path: `${PATH}?watch=true&${selector}${since}`, signal: stop.signal });
  replica.ended = follow(replica, response);
  return replica;
}

async function follow(replica: Replica, { events }: ApiResponse): Promise<void> {
  for await (const batch of events!) {
    for (const { type, object } of batch) {
      const { name, resourceVersion } = object.metadata;
      const known = replica.objects.has(name!);
      assert.notEqual(type, 'ERROR', JSON.stringify(object));
      assert.equal(type === 'ADDED', !known, `${replica.selector}: ${type} of ${name}, ${known ? 'known' : 'unknown'} so far`);
      assert.ok(Number(resourceVersion) > replica.revision || replica.revision === 0 || type === 'ADDED', 'revisions grow');
      replica.revision = Math.max(replica.revision, Number(resourceVersion));
      if (type === 'DELETED') replica.objects.delete(name!);
      else replica.objects.set(name!, object);
    }
  }
}

const seen = (objects: Iterable<KubeObject>): string[] =>
  [...objects].map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).toSorted();

test('replicas built by watching are what lists show', async () => {
  const seed = 20_261_120;
  const rng = seededRng(seed);
  const replicas: Replica[] = [];
  for (let round = 0; round < 25; round++) {
    for (const selector of SELECTORS) if (rng.next() < 0.3) replicas.push(await replicate(selector, pick(rng, ['list', 'state'])));
    await Promise.all(Array.from({ length: 8 }, (_, index) => writeSomething(rng, round * 8 + index)));
    // A list reads what every writer was told, and so has every watch by the time it is answered.
    for (const replica of replicas) {
      const { body } = await api.loopback()({ method: 'GET', path: `${PATH}?${replica.selector}` });
      assert.deepEqual(seen(replica.objects.values()), seen((body as KubeList).items), `seed ${seed}, round ${round}, ${replica.selector}`);
    }
  }
  for (const { stop } of replicas) stop();
  await Promise.all(replicas.map(({ ended }) => ended));
});
