import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { createSignIn } from './sign-in.ts';

const clock = new ManualClock();
const signIn = createSignIn({ clock, log: silentLogger });
const server = createServer((request, response) => signIn.answer(request, response));
let url = '';

before(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sign-in`;
});
after(() => server.close());

async function deposit(token: string): Promise<string> {
  const answer = await fetch(url, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 201);
  return ((await answer.json()) as { code: string }).code;
}

async function redeem(code: string): Promise<[number, unknown]> {
  const answer = await fetch(`${url}/redeem`, { method: 'POST', body: code });
  return [answer.status, await answer.json()];
}

test('a code gives its own token, once', async () => {
  const [one, two] = [await deposit('token-one'), await deposit('token-two')];
  assert.match(one, /^[\w-]{43}$/);
  assert.deepEqual(await redeem(two), [200, { token: 'token-two' }]);
  assert.deepEqual(await redeem(one), [200, { token: 'token-one' }]);
  assert.deepEqual(await redeem(one), [410, {}]);
});

test('a code that nobody came with is worth nothing after five minutes', async () => {
  const [early, late] = [await deposit('a'), await deposit('b')];
  await clock.advance(5 * 60_000);
  assert.equal((await redeem(early))[0], 200);
  await clock.advance(1);
  assert.equal((await redeem(late))[0], 410);
});

for (const { name, path = '', method = 'POST', headers = {}, body, status } of [
  { name: 'no token', status: 401 },
  { name: 'another kind of credentials', headers: { authorization: 'Basic YTpi' }, status: 401 },
  { name: 'a made-up code', path: '/redeem', body: 'x', status: 410 },
  { name: 'another path', path: '/x', status: 404 },
  { name: 'another method', method: 'GET', status: 405 },
] as { name: string; path?: string; method?: string; headers?: Record<string, string>; body?: string; status: number }[]) {
  test(`${name}: ${status}`, async () => assert.equal((await fetch(url + path, { method, headers, body })).status, status));
}

test('no more are kept than people could want, and old ones make room', async () => {
  await clock.advance(10 * 60_000);
  const codes = await Promise.all(Array.from({ length: 100 }, () => deposit('t')));
  assert.equal(new Set(codes).size, 100);
  assert.equal((await fetch(url, { method: 'POST', headers: { authorization: 'Bearer t' } })).status, 429);
  await clock.advance(5 * 60_000 + 1);
  await deposit('t');
});
