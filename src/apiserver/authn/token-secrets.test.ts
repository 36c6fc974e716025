import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import type { Secret } from '../../api/types.gen.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { seededRng } from '../../lib/random.ts';
import { stored } from '../stored.ts';
import { signingKey } from './jwt.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';
import { fillTokenSecrets } from './token-secrets.ts';

test('a token secret is filled, its token is good, and it goes with its account', async () => {
  const objects = new MemoryObjects({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'default', name: 'web' } });
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const view = { source: objects.source, resources: objects.resources };
  const tokens = createServiceAccountTokens({
    ...view,
    signingKey: signingKey(key),
    issuers: ['us'],
    clock: new ManualClock(),
    rng: seededRng(1),
    log: silentLogger,
  });
  const secrets = stored<Secret>(view, '', 'v1', 'secrets');
  const stop = fillTokenSecrets({ ...view, tokens, rootCa: 'CA', log: silentLogger });

  const secret = (name: string, account: string) =>
    ({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: { namespace: 'default', name, annotations: { 'kubernetes.io/service-account.name': account } },
    }) as never;
  objects.put(secret('web-token', 'web'));
  objects.put(secret('lost-token', 'nobody'));
  await setImmediate();
  const filled = secrets.get('default', 'web-token')!;
  assert.deepEqual(Object.keys(filled.data!).toSorted(), ['ca.crt', 'namespace', 'token']);
  assert.equal(secrets.get('default', 'lost-token'), undefined);

  const token = Buffer.from(filled.data!['token']!, 'base64').toString();
  assert.equal(tokens.verify(token)?.user.name, 'system:serviceaccount:default:web');
  await setImmediate();
  const used = secrets.get('default', 'web-token')!;
  assert.equal(used.metadata.labels?.['kubernetes.io/legacy-token-last-used'], '2026-01-01');
  const labels = { 'kubernetes.io/legacy-token-invalid-since': '2026-01-01' };
  objects.put({ ...used, metadata: { ...used.metadata, labels } });
  assert.throws(() => tokens.verify(token), /the token in secret default\/web-token has been marked invalid/);
  objects.put(used);
  await objects.source.delete(objects.resources.find('', 'v1', 'serviceaccounts')!, 'default', 'web');
  await setImmediate();
  assert.equal(secrets.get('default', 'web-token'), undefined);
  assert.throws(() => tokens.verify(token), /doesn't match server's copy/);
  stop();
});
