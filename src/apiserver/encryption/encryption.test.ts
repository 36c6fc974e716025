import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openTestStorage, startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { KubeList, KubeObject } from '../../api/meta.ts';
import type { ApiRequest } from '../../api/transport.ts';
import { createLogger } from '../../lib/log.ts';
import { encryptionTransformer } from './encryption.ts';

const FIRST = Buffer.alloc(32, 1).toString('base64');
const SECOND = Buffer.alloc(16, 2).toString('base64');
const aesgcm = (...keys: [name: string, secret: string][]): object => ({
  aesgcm: { keys: keys.map(([name, secret]) => ({ name, secret })) },
});
const aescbc = (name: string, secret: string): object => ({ aescbc: { keys: [{ name, secret }] } });
const IDENTITY = { identity: {} };

function configuration(providers: object[], resources: readonly string[] = ['secrets']): string {
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources, providers }],
  });
}

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'rockpool-encryption-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function withServer<T>(store: string, encryption: string | undefined, use: (api: TestApiServer) => Promise<T>): Promise<T> {
  const api = await startTestApiServer({
    open: () => openTestStorage(path.join(folder, store)),
    log: createLogger({ level: 'error', write: () => undefined }),
    ...(encryption === undefined ? {} : { transformer: encryptionTransformer(encryption) }),
  });
  try {
    return await use(api);
  } finally {
    await api.close();
  }
}

async function ask(
  api: TestApiServer,
  method: ApiRequest['method'],
  url: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> {
  const { status, body: answer } = await api.loopback()({ method, path: url, ...(body === undefined ? {} : { body }) });
  return { status, body: answer };
}

async function ok<T = KubeObject>(api: TestApiServer, method: ApiRequest['method'], url: string, body?: unknown): Promise<T> {
  const answer = await ask(api, method, url, body);
  assert.ok(answer.status < 300, JSON.stringify(answer.body));
  return answer.body as T;
}

const raw = async (api: TestApiServer, key: string): Promise<Buffer> => Buffer.from((await api.storage.get(key))!.value);
const SECRETS = '/api/v1/namespaces/default/secrets';
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const secret = (name: string): object => ({ metadata: { name }, data: { token: 'aHVudGVyMg==' } });

test('the stored value is upstream’s envelope: provider, key name, nonce, ciphertext, tag, bound to the key in the store', () =>
  withServer('envelope', configuration([aesgcm(['key1', FIRST]), IDENTITY]), async (api) => {
    await ok(api, 'POST', SECRETS, secret('s'));
    await ok(api, 'POST', CONFIG_MAPS, { metadata: { name: 'plain' }, data: { a: 'b' } });
    const stored = await raw(api, '/registry/secrets/default/s');
    const head = 'k8s:enc:aesgcm:v1:key1:';
    assert.equal(stored.subarray(0, head.length).toString(), head);
    assert.ok(!stored.includes('aHVudGVyMg=='));
    const sealed = stored.subarray(head.length);
    const decipher = createDecipheriv('aes-256-gcm', Buffer.alloc(32, 1), sealed.subarray(0, 12))
      .setAAD(Buffer.from('/registry/secrets/default/s'))
      .setAuthTag(sealed.subarray(-16));
    const plain = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString();
    assert.deepEqual((JSON.parse(plain) as { data: object }).data, { token: 'aHVudGVyMg==' });
    assert.ok(
      (await raw(api, '/registry/configmaps/default/plain')).toString().startsWith('{"kind":"ConfigMap"'),
      'others stay as they are',
    );
  }));

test('the file that a cluster is made with encrypts Secrets, and nothing else', async () => {
  const { pki, close } = await startTestApiServer();
  await close();
  const transformer = encryptionTransformer(pki.get('encryption-config.yaml')!);
  const sealed = (key: string): string => Buffer.from(transformer.toStorage(key, Buffer.from('{}'))).toString('latin1');
  assert.ok(sealed('/registry/secrets/default/s').startsWith('k8s:enc:aesgcm:v1:key1:'));
  assert.equal(sealed('/registry/configmaps/default/s'), '{}');
  assert.equal(Buffer.from(transformer.fromStorage('/registry/secrets/default/s', Buffer.from('{}'))).toString(), '{}');
});

test('a store that was moved opens with its key, and a secret that changes is sealed anew', async () => {
  const encryption = configuration([aesgcm(['key1', FIRST]), IDENTITY]);
  await withServer('moved', encryption, (api) => ok(api, 'POST', SECRETS, secret('s')));
  await withServer('moved', encryption, async (api) => {
    const before = await raw(api, '/registry/secrets/default/s');
    const read = await ok<KubeObject & { data: object }>(api, 'GET', `${SECRETS}/s`);
    assert.deepEqual(read.data, { token: 'aHVudGVyMg==' });
    await ok(api, 'PUT', `${SECRETS}/s`, { ...read, data: { token: 'eA==' } });
    assert.notDeepEqual(await raw(api, '/registry/secrets/default/s'), before);
    assert.equal((await ok<KubeList>(api, 'GET', SECRETS)).items.length, 1);
  });
});

test('another key: reading the secret, or listing secrets, says which key and which object; all else works', async () => {
  await withServer('lost', configuration([aesgcm(['first', FIRST])]), (api) => ok(api, 'POST', SECRETS, secret('s')));
  const failures = [
    {
      name: 'the same name with another secret',
      key: 'first',
      expected: /aesgcm key "first": Unsupported state or unable to authenticate data/,
    },
    { name: 'another name', key: 'second', expected: /stored as k8s:enc:aesgcm:v1:first\): no matching prefix found/ },
  ];
  for (const { name, key, expected } of failures) {
    await withServer('lost', configuration([aesgcm([key, SECOND])]), async (api) => {
      for (const url of [`${SECRETS}/s`, SECRETS]) {
        const { status, body } = await ask(api, 'GET', url);
        assert.equal(status, 500, name);
        const { message, reason } = body as { message: string; reason: string };
        assert.equal(reason, 'InternalError');
        assert.match(message, /unable to transform key "\/registry\/secrets\/default\/s"/);
        assert.match(message, expected);
      }
      await ok(api, 'POST', SECRETS, secret(`new-${key}`));
      await ok(api, 'GET', `${SECRETS}/new-${key}`);
      assert.ok((await ok<KubeList>(api, 'GET', '/api/v1/namespaces')).items.length > 0);
      await ok(api, 'DELETE', `${SECRETS}/new-${key}`);
    });
  }
});

describe('values in another form are read, and rewritten when they are next written', () => {
  const steps = [
    { name: 'in the clear', encryption: undefined, head: '{"kind":"Secret"' },
    { name: 'the first key', encryption: configuration([aescbc('old', SECOND), IDENTITY]), head: 'k8s:enc:aescbc:v1:old:' },
    {
      name: 'a second key in front',
      encryption: configuration([aesgcm(['new', FIRST]), aescbc('old', SECOND), IDENTITY]),
      head: 'k8s:enc:aesgcm:v1:new:',
    },
    {
      name: 'several keys of one provider',
      encryption: configuration([aesgcm(['newer', SECOND], ['new', FIRST])]),
      head: 'k8s:enc:aesgcm:v1:newer:',
    },
    { name: 'in the clear again', encryption: configuration([IDENTITY, aesgcm(['newer', SECOND])]), head: '{"kind":"Secret"' },
  ];
  let before = '';
  for (const { name, encryption, head } of steps) {
    test(name, () =>
      withServer('rotated', encryption, async (api) => {
        const key = '/registry/secrets/default/s';
        if (before === '') await ok(api, 'POST', SECRETS, secret('s'));
        else assert.ok((await raw(api, key)).toString('latin1').startsWith(before), 'reading rewrites nothing');
        // What kubectl get | kubectl replace does: the same content.
        const read = await ok(api, 'GET', `${SECRETS}/s`);
        const replaced = await ok(api, 'PUT', `${SECRETS}/s`, read);
        assert.ok((await raw(api, key)).toString('latin1').startsWith(head));
        const again = await ok(api, 'PUT', `${SECRETS}/s`, replaced);
        assert.equal(again.metadata.resourceVersion, replaced.metadata.resourceVersion, 'once is enough');
        before = head;
      }),
    );
  }
});

describe('which resources', () => {
  const cases = [
    { resources: ['secrets'], key: '/registry/secrets/default/s', sealed: true },
    { resources: ['secrets'], key: '/registry/configmaps/default/s', sealed: false },
    { resources: ['deployments.apps'], key: '/registry/deployments/default/s', sealed: true },
    { resources: ['*.apps'], key: '/registry/replicasets/default/s', sealed: true },
    { resources: ['*.apps'], key: '/registry/jobs/default/s', sealed: false },
    { resources: ['*.'], key: '/registry/services/specs/default/s', sealed: true },
    { resources: ['crontabs.stable.example.com'], key: '/registry/stable.example.com/crontabs/default/s', sealed: true },
    { resources: ['crontabs.stable.example.com'], key: '/registry/stable.example.com/others/s', sealed: false },
    { resources: ['*.*'], key: '/registry/stable.example.com/others/s', sealed: true },
    { resources: ['*.*'], key: '/registry/minions/s', sealed: true },
  ];
  for (const { resources, key, sealed } of cases) {
    test(`${resources.join()} and ${key}`, () => {
      const transformer = encryptionTransformer(configuration([aesgcm(['k', FIRST]), IDENTITY], resources));
      const plain = Buffer.from('{}');
      const written = transformer.toStorage(key, plain);
      assert.equal(Buffer.from(written).toString('latin1').startsWith('k8s:enc:'), sealed);
      assert.deepEqual(Buffer.from(transformer.fromStorage(key, written)), plain);
      if (sealed) assert.throws(() => transformer.fromStorage(`${key}2`, written), /unable to transform key/);
    });
  }
});

describe('a configuration that is wrong names its field', () => {
  const cases: { name: string; text: string; message: string }[] = [
    { name: 'no mapping', text: '- a', message: 'the document: Invalid value: must be a mapping' },
    {
      name: 'another kind',
      text: 'apiVersion: apiserver.config.k8s.io/v1\nkind: Policy',
      message: 'kind: Unsupported value: "Policy": supported values: "EncryptionConfiguration"',
    },
    {
      name: 'no resources',
      text: configuration([IDENTITY], []),
      message: 'resources[0].resources: Required value: at least one resource must be given',
    },
    {
      name: 'no providers',
      text: configuration([]),
      message: 'resources[0].providers: Required value: at least one provider must be given',
    },
    {
      name: 'a short secret',
      text: configuration([aesgcm(['k', 'YWJj'])]),
      message:
        'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: secret is not of the expected length, got 3, expected one of [16 24 32]',
    },
    {
      name: 'a secret that is not base64',
      text: configuration([aesgcm(['k', '~~~'])]),
      message: 'resources[0].providers[0].aesgcm.keys[0].secret: Invalid value: secret must be base64 encoded',
    },
    {
      name: 'two keys of one name',
      text: configuration([aesgcm(['k', FIRST], ['k', SECOND])]),
      message: 'resources[0].providers[0].aesgcm.keys[1].name: Invalid value: duplicate key name "k"',
    },
    {
      name: 'a provider that is not offered',
      text: configuration([{ secretbox: { keys: [] } }]),
      message: 'resources[0].providers[0].secretbox: Invalid value: this provider is not offered: use aesgcm, aescbc or identity',
    },
    {
      name: 'a provider that nobody knows',
      text: configuration([{ rot13: {} }]),
      message: 'resources[0].providers[0]: Unsupported value: "rot13": supported values: "aesgcm", "aescbc", "identity"',
    },
    {
      name: 'a field that nobody knows',
      text: configuration([{ ...aesgcm(['k', FIRST]) }]).replace('"secret"', '"sekret"'),
      message: 'resources[0].providers[0].aesgcm.keys[0].sekret: unknown field',
    },
  ];
  for (const { name, text, message } of cases)
    test(name, () => assert.throws(() => encryptionTransformer(text), { name: 'ConfigFileError', message }));
});
