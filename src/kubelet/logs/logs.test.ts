import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type LogOptions, readLog } from './read.ts';
import { rotateLog } from './rotate.ts';

const line = (second: number, text: string, { stream = 'stdout', tag = 'F' } = {}): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000001Z ${stream} ${tag} ${text}\n`;

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rockpool-logs-'));
});
after(() => rm(folder, { recursive: true }));

async function read(file: string, options: LogOptions = {}): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of readLog(file, options)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('readLog', () => {
  const content = line(1, 'one') + line(2, 'two', { stream: 'stderr' }) + line(3, 'thr', { tag: 'P' }) + line(3, 'ee') + line(4, 'four');
  const cases: { name: string; options: LogOptions; expected: string }[] = [
    { name: 'everything', options: {}, expected: 'one\ntwo\nthree\nfour\n' },
    { name: 'the last line', options: { tailLines: 1 }, expected: 'four\n' },
    { name: 'no line', options: { tailLines: 0 }, expected: '' },
    { name: 'more lines than there are', options: { tailLines: 100 }, expected: 'one\ntwo\nthree\nfour\n' },
    { name: 'one stream', options: { stream: 'stderr' }, expected: 'two\n' },
    { name: 'since a time', options: { sinceMs: Date.parse('2026-01-01T00:00:03Z') }, expected: 'three\nfour\n' },
    { name: 'a number of bytes', options: { limitBytes: 6 }, expected: 'one\ntw' },
    {
      name: 'time stamps, once for a line in parts',
      options: { timestamps: true, tailLines: 3 },
      expected: '2026-01-01T00:00:03.000000001Z three\n2026-01-01T00:00:04.000000001Z four\n',
    },
  ];
  for (const { name, options, expected } of cases) {
    test(name, async () => {
      const file = path.join(folder, 'cases.log');
      await writeFile(file, content);
      assert.equal(await read(file, options), expected);
    });
  }

  test('the tail of a log of many blocks', async () => {
    const file = path.join(folder, 'long.log');
    await writeFile(file, Array.from({ length: 20_000 }, (_, i) => line(1, `entry ${i}`)).join(''));
    const text = await read(file, { tailLines: 10_000 });
    assert.equal(text.split('\n').length, 10_001);
    assert.match(text, /^entry 10000\n/);
  });

  test('follows over a rotation until the container has ended', async () => {
    const file = path.join(folder, 'follow.log');
    await writeFile(file, line(1, 'first'));
    const end = new AbortController();
    const seen: string[] = [];
    for await (const chunk of readLog(file, { followUntil: end.signal })) {
      seen.push(chunk.toString());
      if (seen.length === 1) await appendFile(file, line(2, 'second'));
      if (seen.length === 2) {
        await rename(file, `${file}.1`);
        await writeFile(file, line(3, 'third'));
      }
      if (seen.length === 3) {
        await appendFile(file, line(4, 'last'));
        end.abort();
      }
    }
    assert.deepEqual(seen, ['first\n', 'second\n', 'third\n', 'last\n']);
  });

  test('stops when the client goes away', async () => {
    const file = path.join(folder, 'gone.log');
    await writeFile(file, line(1, 'first'));
    const gone = new AbortController();
    const never = new AbortController().signal;
    for await (const chunk of readLog(file, { followUntil: never, signal: gone.signal })) {
      assert.equal(chunk.toString(), 'first\n');
      gone.abort();
    }
  });
});

describe('rotateLog', () => {
  const limits = { maxBytes: 10, maxFiles: 3 };

  test('a small log stays', async () => {
    const file = path.join(folder, 'small.log');
    await writeFile(file, 'short');
    assert.equal(await rotateLog({ file, reopen: () => assert.fail('not to be reopened'), now: 0 }, limits), false);
  });

  test('keeps the newest files, compresses the older ones', async () => {
    const own = await mkdtemp(path.join(folder, 'rotate-'));
    const file = path.join(own, '0.log');
    let reopened = 0;
    for (let i = 0; i < 5; i++) {
      await writeFile(file, `more than ten bytes ${i}`);
      const reopen = (): Promise<void> => {
        reopened++;
        return Promise.resolve();
      };
      assert.equal(await rotateLog({ file, reopen, now: Date.UTC(2026, 0, 1, 0, 0, i) }, limits), true);
    }
    assert.equal(reopened, 5);
    assert.deepEqual((await readdir(own)).toSorted(), ['0.log.20260101-000003.gz', '0.log.20260101-000004']);
  });

  test('a runtime that does not reopen gets its file back', async () => {
    const file = path.join(folder, 'refused.log');
    await writeFile(file, 'more than ten bytes');
    await assert.rejects(rotateLog({ file, reopen: () => Promise.reject(new Error('no')), now: 0 }, limits), /no/);
    assert.ok((await readdir(folder)).includes('refused.log'));
  });
});
