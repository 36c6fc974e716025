/**
 * Seeded nonsense over real connections: every answer is well formed, the server never fails, hangs or ends, and keeps no memory. One request
 * is repeated by its seed: `requestOf(seed)`.
 */
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type FuzzClient, fuzzClient } from '../fixtures/fuzz/client.ts';
import { requestOf } from '../fixtures/fuzz/requests.ts';
import type { Memory, Question, Reply, Where } from '../fixtures/fuzz/server-child.ts';
import { faultOf, NO_FAULT } from '../fixtures/fuzz/verdict.ts';

const long = process.env['ROCKPOOL_TEST_LONG'] === '1';
const COUNT = Number(process.env['ROCKPOOL_FUZZ_COUNT'] ?? (long ? 100_000 : 5000));
const SEED = Number(process.env['ROCKPOOL_FUZZ_SEED'] ?? 1);
const AT_ONCE = 16;
/** After so many requests what was made is removed, and memory is looked at. */
const ROUND = Math.ceil(COUNT / 5);
/** What the heap may have grown by from the first round to the last, bytes: compiled code and caches of what can be asked for. */
const MAY_GROW = 24 << 20;
/** The same of the whole process, from the second round on: what the allocator keeps to itself. */
const PROCESS_MAY_GROW = 160 << 20;

let child: ChildProcess;
let client: FuzzClient;

before(async () => {
  const script = fileURLToPath(new URL('../fixtures/fuzz/server-child.ts', import.meta.url));
  child = fork(script, { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  client = fuzzClient((await told()) as Where);
});
after(() => {
  client?.close();
  if (child?.connected) child.disconnect();
});

async function ask(question: Question): Promise<Reply> {
  child.send(question);
  return (await told()) as Reply;
}

/** What the child says next; rejects when it ends instead. */
async function told(): Promise<unknown> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    const exit = once(child, 'exit', { signal }).then(([code]) => assert.fail(`the server ended with ${String(code)}`));
    const [message] = (await Promise.race([once(child, 'message', { signal }), exit])) as [unknown];
    return message;
  } finally {
    settled.abort();
  }
}

async function judge(seed: number): Promise<string | undefined> {
  const request = requestOf(seed);
  const said = `seed ${seed}: ${request.protocol} ${request.method} ${request.path.slice(0, 200)}`;
  try {
    const fault = faultOf(request, await client.send(request));
    return fault && `${said}: ${fault}`;
  } catch (error) {
    return `${said}: ${(error as Error).message}`;
  }
}

async function round(from: number, to: number): Promise<string[]> {
  const faults: string[] = [];
  let next = from;
  const work = async (): Promise<void> => {
    while (next < to && faults.length < 200) {
      const fault = await judge(SEED * 1_000_000 + next++);
      if (fault) faults.push(fault);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return faults;
}

describe('a server that is sent nonsense', () => {
  test(`answers ${COUNT} requests well, and forgets them`, { timeout: long ? 3_600_000 : 300_000 }, async (context) => {
    const seen: Memory[] = [];
    for (let from = 0; from < COUNT; from += ROUND) {
      await ask(seen.length % 2 === 1 ? 'guard' : 'unguard');
      const faults = await round(from, Math.min(from + ROUND, COUNT));
      const { faults: logged } = await ask('unguard');
      assert.deepEqual([...faults, ...logged.filter((line) => !NO_FAULT.test(line))], []);
      seen.push((await ask('purge')).memory);
    }
    const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    context.diagnostic(
      seen.map(({ heap, external, rss }) => `heap ${megabytes(heap)} external ${megabytes(external)} rss ${megabytes(rss)}`).join('; '),
    );
    const grown = seen.at(-1)!.heap - seen[0]!.heap;
    assert.ok(grown < MAY_GROW, `the heap grew by ${megabytes(grown)}`);
    const taken = seen.at(-1)!.rss - seen[1]!.rss;
    assert.ok(taken < PROCESS_MAY_GROW, `the process grew by ${megabytes(taken)}`);
  });
});
