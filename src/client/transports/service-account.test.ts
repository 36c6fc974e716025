import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notFound, statusError } from '../../api/status.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { createClient } from '../new-client.ts';
import { serviceAccountTransports } from './service-account.ts';

/** A server that gives out tokens t1, t2 … and knows which are good. */
function world() {
  const clock = new ManualClock();
  const accounts = new Set<string>();
  const sent: string[] = [];
  let minted = 0;
  let refuse: ApiResponse | undefined;
  const manager = async ({ method, path }: ApiRequest): Promise<ApiResponse> => {
    sent.push(`${method} ${path}`);
    const name = path.split('/')[6];
    if (refuse) return refuse;
    if (name === undefined) {
      accounts.add('namespace-controller');
      return { status: 201, headers: {}, body: {} };
    }
    if (!accounts.has(name)) return { status: 404, headers: {}, body: notFound('serviceaccounts', '', name).status };
    return { status: 201, headers: {}, body: { status: { token: `t${++minted}` } } };
  };
  const good = new Set(['Bearer t1', 'Bearer t2', 'Bearer t3']);
  const base = async ({ headers }: ApiRequest): Promise<ApiResponse> => ({
    status: good.has(headers!['authorization']!) ? 200 : 401,
    headers: {},
    text: headers!['authorization']!,
  });
  const client = createClient({ transport: manager, clock, log: silentLogger });
  const transport = serviceAccountTransports({ client, base, clock })('namespace-controller');
  const ask = async (): Promise<string> => {
    const { status, text } = await transport({ method: 'GET', path: '/' });
    return `${status} ${text}`;
  };
  return { clock, sent, good, ask, refuseWith: (answer: ApiResponse | undefined) => void (refuse = answer) };
}

test('one token serves many calls, and the account is made when it is missing', async () => {
  const { sent, ask } = world();
  assert.deepEqual(await Promise.all([ask(), ask()]), ['200 Bearer t1', '200 Bearer t1']);
  assert.equal(await ask(), '200 Bearer t1');
  const accounts = '/api/v1/namespaces/kube-system/serviceaccounts';
  assert.deepEqual(sent, [
    `POST ${accounts}/namespace-controller/token`,
    `POST ${accounts}`,
    `POST ${accounts}/namespace-controller/token`,
  ]);
});

test('a token is renewed before it expires', async () => {
  const { clock, ask } = world();
  await ask();
  await clock.advance(47 * 60_000);
  assert.equal(await ask(), '200 Bearer t1');
  await clock.advance(2 * 60_000);
  assert.equal(await ask(), '200 Bearer t2');
});

test('a token that the server does not take any more is replaced once', async () => {
  const { good, ask } = world();
  await ask();
  good.delete('Bearer t1');
  assert.equal(await ask(), '200 Bearer t2');
  good.clear();
  assert.equal(await ask(), '401 Bearer t3');
});

test('a token that could not be had is an error, and tried anew with the next call', async () => {
  const { ask, refuseWith } = world();
  refuseWith({ status: 503, headers: {}, body: statusError('ServiceUnavailable', 'starting').status });
  await assert.rejects(ask(), /starting/);
  refuseWith(undefined);
  assert.equal(await ask(), '200 Bearer t1');
});
