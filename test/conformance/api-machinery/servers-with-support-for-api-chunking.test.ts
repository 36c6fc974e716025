import assert from 'node:assert/strict';
import type { V1PodTemplate } from '@kubernetes/client-node';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

interface Page {
  kind: string;
  code?: number;
  reason?: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: V1PodTemplate[];
}

const TOTAL = 40;
const templates = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}/podtemplates`;
const nameOf = (index: number): string => `template-${String(index).padStart(4, '0')}`;

async function seed(world: World): Promise<void> {
  const { create } = rest(world);
  const template = { spec: { containers: [{ name: 'test', image: 'test' }] } };
  await Promise.all(Array.from({ length: TOTAL }, (_, index) => create(templates(world), { metadata: { name: nameOf(index) }, template })));
}

const page = async (world: World, limit: number, token = ''): Promise<Page> =>
  (await world.request({ path: `${templates(world)}?limit=${limit}${token && `&continue=${encodeURIComponent(token)}`}` })).json<Page>();

conformance('api-machinery', 'Servers with support for API chunking', { startArgs: ['--etcd-compaction-interval', '4s'] }, (behaviour) => {
  behaviour('should return chunks of results for list calls', async (world) => {
    await seed(world);
    let token = '';
    let version: string | undefined;
    const names: string[] = [];
    const limit = 17;
    do {
      const { items, metadata } = await page(world, limit, token);
      version ??= metadata.resourceVersion;
      assert.equal(metadata.resourceVersion, version, 'all pages are of one moment');
      names.push(...items.map((item) => item.metadata!.name!));
      token = metadata.continue ?? '';
      if (token === '') assert.equal(metadata.remainingItemCount, undefined);
      else {
        assert.equal(items.length, limit);
        assert.equal(metadata.remainingItemCount, TOTAL - names.length);
      }
    } while (token !== '');
    assert.deepEqual(
      names,
      Array.from({ length: TOTAL }, (_, index) => nameOf(index)),
    );
    const whole = await page(world, 500);
    assert.equal(whole.metadata.continue, undefined);
    assert.equal(whole.items.length, TOTAL);
  });

  behaviour(
    'should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]',
    async (world) => {
      await seed(world);
      const first = await page(world, 10);
      assert.equal(first.items.length, 10);
      const added = `${nameOf(25)}-later`;
      await rest(world).create(templates(world), {
        metadata: { name: added },
        template: { spec: { containers: [{ name: 'test', image: 'test' }] } },
      });
      // The store forgets old revisions by and by; then the token is too old, and the answer says how to go on.
      const expired = await until(
        async () => {
          const answer = await page(world, 10, first.metadata.continue);
          return answer.kind === 'Status' && answer;
        },
        'the token expires',
        60_000,
      );
      assert.equal(expired.code, 410);
      assert.equal(expired.reason, 'Expired');
      assert.ok(expired.metadata.continue, 'a token that goes on from the last key');
      const names: string[] = first.items.map((item) => item.metadata!.name!);
      let token: string | undefined = expired.metadata.continue;
      while (token) {
        const next: Page = await page(world, 10, token);
        assert.equal(next.kind, 'PodTemplateList', JSON.stringify(next));
        names.push(...next.items.map((item) => item.metadata!.name!));
        token = next.metadata.continue;
      }
      const expected = [...Array.from({ length: TOTAL }, (_, index) => nameOf(index)), added];
      assert.deepEqual(names, expected.toSorted());
    },
  );
});
