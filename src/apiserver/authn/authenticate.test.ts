import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import { StatusError } from '../../api/status.ts';
import { ManualClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { seededRng } from '../../lib/random.ts';
import type { PeerCertificate } from '../contract.ts';
import { createAuthenticator } from './authenticate.ts';
import { createBootstrapTokens } from './bootstrap-token.ts';
import { signJwt, signingKey } from './jwt.ts';
import type { IssueRequest } from './service-account-tokens.ts';
import { createServiceAccountTokens } from './service-account-tokens.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const pem = (kind: 'rsa' | 'ec'): string => {
  const pair = kind === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
};
const KEYS = { ec: pem('ec'), rsa: pem('rsa') };

function setUp(key: string = KEYS.ec) {
  const clock = new ManualClock();
  const objects = new MemoryObjects(
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'default', name: 'web', uid: 'sa-1' } },
    { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'default', name: 'web-1', uid: 'pod-1' } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'kube-system', name: 'bootstrap-token-abcdef' },
      type: 'bootstrap.kubernetes.io/token',
      data: {
        'token-id': base64('abcdef'),
        'token-secret': base64('0123456789abcdef'),
        'usage-bootstrap-authentication': base64('true'),
        'auth-extra-groups': base64('system:bootstrappers:kubeadm:default-node-token,system:masters'),
        expiration: base64('2026-01-02T00:00:00Z'),
      },
    } as never,
  );
  const tokens = createServiceAccountTokens({
    source: objects.source,
    resources: objects.resources,
    signingKey: signingKey(key),
    issuers: [ISSUER],
    clock,
    rng: seededRng(1),
    log: silentLogger,
  });
  const bootstrapTokens = createBootstrapTokens({ source: objects.source, resources: objects.resources, clock });
  const authenticate = createAuthenticator({ tokens, bootstrapTokens, log: silentLogger });
  return { clock, objects, tokens, authenticate };
}

const POD_TOKEN: IssueRequest = {
  namespace: 'default',
  serviceAccount: { name: 'web', uid: 'sa-1' },
  audiences: [ISSUER],
  expirationSeconds: 3600,
  pod: { name: 'web-1', uid: 'pod-1' },
};
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

describe('authentication', () => {
  test('a client certificate names the user and the groups', async () => {
    const { authenticate } = setUp();
    const peer: PeerCertificate = { commonName: 'jane', organizations: ['devs'], fingerprint: 'ab12', issuer: 'client' };
    assert.deepEqual(authenticate({ headers: {}, peer }), {
      name: 'jane',
      groups: ['devs', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': ['X509SHA256=ab12'] },
    });
    assert.equal(authenticate({ headers: {}, peer }), authenticate({ headers: {}, peer }), 'the same object for the same certificate');
  });

  test('nobody is anonymous', async () => {
    const { authenticate } = setUp();
    assert.deepEqual(authenticate({ headers: {} }), { name: 'system:anonymous', groups: ['system:unauthenticated'] });
  });

  test('a front proxy speaks for others, a client certificate does not', async () => {
    const { authenticate } = setUp();
    const headers = { 'x-remote-user': 'jane', 'x-remote-group': 'devs, ops', 'x-remote-extra-scopes': 'a' };
    const proxy: PeerCertificate = { commonName: 'front-proxy-client', organizations: [], fingerprint: '', issuer: 'front-proxy' };
    assert.deepEqual(authenticate({ headers, peer: proxy }), {
      name: 'jane',
      groups: ['devs', 'ops', 'system:authenticated'],
      extra: { scopes: ['a'] },
    });
    const client: PeerCertificate = { commonName: 'front-proxy-client', organizations: [], fingerprint: '', issuer: 'client' };
    assert.equal(authenticate({ headers, peer: client }).name, 'front-proxy-client');
  });

  for (const kind of ['ec', 'rsa'] as const) {
    test(`a service account token signed with an ${kind} key`, async () => {
      const { authenticate, tokens } = setUp(KEYS[kind]);
      const user = authenticate(bearer(tokens.issue(POD_TOKEN)));
      assert.equal(user.name, 'system:serviceaccount:default:web');
      assert.deepEqual(user.groups, ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated']);
      assert.deepEqual(user.extra?.['authentication.kubernetes.io/pod-name'], ['web-1']);
    });
  }

  test('a WebSocket brings its token as a sub-protocol', async () => {
    const { authenticate, tokens } = setUp();
    const token = Buffer.from(tokens.issue(POD_TOKEN)).toString('base64url');
    const user = authenticate({
      headers: { 'sec-websocket-protocol': `v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.${token}` },
    });
    assert.equal(user.name, 'system:serviceaccount:default:web');
  });

  test('a bootstrap token, with the groups that such a token may have', async () => {
    const { authenticate, clock } = setUp();
    const user = authenticate(bearer('abcdef.0123456789abcdef'));
    assert.deepEqual(user, {
      name: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token', 'system:authenticated'],
    });
    await clock.advance(48 * 3600 * 1000);
    await assert.rejects(async () => authenticate(bearer('abcdef.0123456789abcdef')), unauthorized);
  });

  const refused: Record<string, (setup: ReturnType<typeof setUp>) => string | Promise<string>> = {
    'no token at all': () => 'nonsense',
    'another key': ({ tokens }) =>
      signJwt(signingKey(KEYS.rsa), JSON.parse(Buffer.from(tokens.issue(POD_TOKEN).split('.')[1]!, 'base64url').toString()) as object),
    'a changed claim': ({ tokens }) => {
      const [header, claims, signature] = tokens.issue(POD_TOKEN).split('.') as [string, string, string];
      const changed = Buffer.from(claims, 'base64url').toString().replace('"web"', '"admin"');
      return [header, Buffer.from(changed).toString('base64url'), signature].join('.');
    },
    'an unsigned token': ({ tokens }) => {
      const claims = tokens.issue(POD_TOKEN).split('.')[1]!;
      return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`;
    },
    'another audience': ({ tokens }) => tokens.issue({ ...POD_TOKEN, audiences: ['vault'] }),
    'a wrong bootstrap secret': () => 'abcdef.fedcba9876543210',
    'an expired token': async ({ tokens, clock }) => {
      const token = tokens.issue(POD_TOKEN);
      await clock.advance(3_601_000);
      return token;
    },
    'a token of an account that was made again': ({ tokens, objects }) => {
      const token = tokens.issue(POD_TOKEN);
      objects.put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace: 'default', name: 'web', uid: 'sa-2' } });
      return token;
    },
    'a token whose pod is gone': async ({ tokens, objects }) => {
      const token = tokens.issue(POD_TOKEN);
      await objects.source.delete(objects.resources.find('', 'v1', 'pods')!, 'default', 'web-1');
      return token;
    },
  };
  for (const [name, make] of Object.entries(refused)) {
    test(`401 for ${name}`, async () => {
      const setup = setUp();
      const token = await make(setup);
      await assert.rejects(async () => setup.authenticate(bearer(token)), unauthorized);
    });
  }

  test('a token that was good stays so only while its pod lives', async () => {
    const { authenticate, tokens, objects } = setUp();
    const token = tokens.issue(POD_TOKEN);
    authenticate(bearer(token));
    await objects.source.delete(objects.resources.find('', 'v1', 'pods')!, 'default', 'web-1');
    await assert.rejects(async () => authenticate(bearer(token)), unauthorized);
  });
});

function unauthorized(error: unknown): boolean {
  return error instanceof StatusError && error.code === 401 && error.message === 'Unauthorized';
}
