import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchEvents } from './watch-stream.ts';

const event = (name: string): string => `${JSON.stringify({ type: 'ADDED', object: { metadata: { name } } })}\n`;

async function namesOf(chunks: readonly Buffer[]): Promise<string[][]> {
  async function* body(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  const batches: string[][] = [];
  for await (const batch of watchEvents(body())) batches.push(batch.map(({ object }) => object.metadata.name!));
  return batches;
}

test('one batch for what one chunk brought', async () => {
  assert.deepEqual(await namesOf([Buffer.from(event('a') + event('b')), Buffer.from(event('c'))]), [['a', 'b'], ['c']]);
});

test('a line may be cut at every byte, within a character too', async () => {
  const whole = Buffer.from(event('größe') + event('漢字'));
  for (let at = 1; at < whole.length; at++) {
    const batches = await namesOf([whole.subarray(0, at), whole.subarray(at)]);
    assert.deepEqual(batches.flat(), ['größe', '漢字'], `cut at ${at}`);
  }
  const bytes = [...whole].map((byte) => Buffer.from([byte]));
  assert.deepEqual((await namesOf(bytes)).flat(), ['größe', '漢字']);
});

test('a broken stream throws, an aborted one ends', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from(event('a'));
    throw new Error('reset');
  }
  const read = async (signal?: AbortSignal): Promise<number> => {
    let count = 0;
    for await (const batch of watchEvents(broken(), signal)) count += batch.length;
    return count;
  };
  await assert.rejects(read(), /reset/);
  assert.equal(await read(AbortSignal.abort()), 1);
});
