import assert from 'node:assert/strict';
import { createPublicKey, verify, type JsonWebKey } from 'node:crypto';
import https from 'node:https';
import type { V1ConfigMap, V1Pod, V1ServiceAccount, V1TokenReview } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const core = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}`;
const accounts = (world: World): string => `${core(world)}/serviceaccounts`;
const createAccount = (world: World, name: string, more: object = {}): Promise<V1ServiceAccount> =>
  rest(world).create<V1ServiceAccount>(accounts(world), { metadata: { name }, ...more });

function pod(name: string, spec: object = {}, container: object = {}): object {
  const shell = { name: 'shell', image: IMAGES.shell, command: ['sleep', '3600'], ...container };
  return { metadata: { name }, spec: { terminationGracePeriodSeconds: 0, containers: [shell], ...spec } };
}

async function running(world: World, body: object): Promise<V1Pod> {
  const created = await rest(world).create<V1Pod>(`${core(world)}/pods`, body);
  return until(async () => {
    const now = await rest(world).get<V1Pod>(`${core(world)}/pods/${created.metadata!.name}`);
    return now.status?.containerStatuses?.every(({ ready }) => ready) ? now : undefined;
  }, `pod ${created.metadata!.name} to run`);
}

const read = async (world: World, name: string, path: string): Promise<string> =>
  (await world.kubectl(['exec', name, '--', 'cat', path])).stdout.trim();

async function reviewed(world: World, token: string): Promise<V1TokenReview['status']> {
  return (await rest(world).create<V1TokenReview>('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } })).status;
}

interface Claims {
  iss: string;
  sub: string;
  aud: string[];
}

interface Discovery {
  issuer: string;
  jwks_uri: string;
  id_token_signing_alg_values_supported: string[];
}

const part = <T>(text: string): T => JSON.parse(Buffer.from(text, 'base64url').toString()) as T;

/** A document that is read with nothing but the token. */
async function withToken<T>(world: World, path: string, token: string): Promise<T> {
  const { server, caData } = world.config.getCurrentCluster()!;
  const ca = Buffer.from(caData!, 'base64');
  const headers = { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const request = https.get(new URL(path, server), { ca, headers, timeout: 30_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(JSON.parse(text) as T);
        else reject(new Error(`GET ${path}: ${response.statusCode} ${text}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to GET ${path}`)));
    request.on('error', reject);
  });
}

/** As an OpenID relying party does it: by the documents that the token's issuer publishes, read with the token itself. */
async function verifyByDiscovery(world: World, token: string): Promise<Claims> {
  const discovery = await withToken<Discovery>(world, '/.well-known/openid-configuration', token);
  const [head, body, signature] = token.split('.') as [string, string, string];
  const { alg, kid } = part<{ alg: string; kid: string }>(head);
  const claims = part<Claims>(body);
  assert.equal(discovery.issuer, claims.iss);
  assert.ok(discovery.id_token_signing_alg_values_supported.includes(alg));
  const { keys } = await withToken<{ keys: JsonWebKey[] }>(world, new URL(discovery.jwks_uri).pathname, token);
  const key = createPublicKey({ key: keys.find((each) => each['kid'] === kid)!, format: 'jwk' });
  const signed = Buffer.from(`${head}.${body}`);
  assert.ok(verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')), 'the signature is good');
  return claims;
}

conformance('auth', 'ServiceAccounts', { pods: true }, (behaviour) => {
  behaviour('should mount an API token into pods', async (world) => {
    await createAccount(world, 'mounted');
    const { metadata } = await running(world, pod('mounted', { serviceAccountName: 'mounted' }));
    const token = await read(world, 'mounted', `${MOUNT}/token`);
    const status = await reviewed(world, token);
    assert.equal(status!.authenticated, true);
    assert.equal(status!.user!.username, `system:serviceaccount:${world.namespace}:mounted`);
    assert.deepEqual(status!.user!.groups, ['system:serviceaccounts', `system:serviceaccounts:${world.namespace}`, 'system:authenticated']);
    assert.deepEqual(status!.user!.extra!['authentication.kubernetes.io/pod-name'], ['mounted']);
    assert.deepEqual(status!.user!.extra!['authentication.kubernetes.io/pod-uid'], [metadata!.uid]);
    assert.equal(await read(world, 'mounted', `${MOUNT}/namespace`), world.namespace);
    const published = await rest(world).get<V1ConfigMap>(`${core(world)}/configmaps/kube-root-ca.crt`);
    assert.equal(await read(world, 'mounted', `${MOUNT}/ca.crt`), published.data!['ca.crt']!.trim());
  });

  behaviour('should allow opting out of API token automount', async (world) => {
    await createAccount(world, 'mount', { automountServiceAccountToken: true });
    await createAccount(world, 'nomount', { automountServiceAccountToken: false });
    const cases = [
      { account: 'default', pod: undefined, mounts: true },
      { account: 'default', pod: true, mounts: true },
      { account: 'default', pod: false, mounts: false },
      { account: 'mount', pod: undefined, mounts: true },
      { account: 'mount', pod: true, mounts: true },
      { account: 'mount', pod: false, mounts: false },
      { account: 'nomount', pod: undefined, mounts: false },
      { account: 'nomount', pod: true, mounts: true },
      { account: 'nomount', pod: false, mounts: false },
    ];
    for (const { account, pod: own, mounts } of cases) {
      const name = `${account}-${String(own)}`;
      const spec = { serviceAccountName: account, ...(own === undefined ? {} : { automountServiceAccountToken: own }) };
      const created = await rest(world).create<V1Pod>(`${core(world)}/pods`, pod(name, spec));
      const mounted = created.spec!.containers[0]!.volumeMounts?.some(({ mountPath }) => mountPath === MOUNT) ?? false;
      assert.equal(mounted, mounts, name);
    }
  });

  behaviour('should mount projected service account token', async (world) => {
    const sources = [{ serviceAccountToken: { path: 'token', expirationSeconds: 3600, audience: 'somebody' } }];
    const volumes = [{ name: 'tokens', projected: { defaultMode: 0o400, sources } }];
    const volumeMounts = [{ name: 'tokens', mountPath: '/tokens', readOnly: true }];
    await running(world, pod('projected', { volumes }, { volumeMounts }));
    const claims = part<Claims>((await read(world, 'projected', '/tokens/token')).split('.')[1]!);
    assert.deepEqual([claims.aud, claims.sub], [['somebody'], `system:serviceaccount:${world.namespace}:default`]);
  });

  behaviour('ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer', async (world) => {
    await running(world, pod('relying'));
    const claims = await verifyByDiscovery(world, await read(world, 'relying', `${MOUNT}/token`));
    assert.equal(claims.sub, `system:serviceaccount:${world.namespace}:default`);
  });

  behaviour('should run through the lifecycle of a ServiceAccount', async (world) => {
    const api = rest(world);
    const watch = await api.watch<V1ServiceAccount>(accounts(world), { labelSelector: 'lived=through' });
    const seen = (type: string): Promise<unknown> =>
      watch.until((event) => event.type === type && event.object.metadata!.name === 'lived', `${type} of the account`);
    await api.create(accounts(world), { metadata: { name: 'lived', labels: { lived: 'through' } } });
    await seen('ADDED');
    const patched = await api.patch<V1ServiceAccount>(`${accounts(world)}/lived`, { automountServiceAccountToken: false });
    assert.equal(patched.automountServiceAccountToken, false);
    await seen('MODIFIED');
    const everywhere = await api.list<V1ServiceAccount>('/api/v1/serviceaccounts?labelSelector=lived%3Dthrough');
    assert.ok(everywhere.some(({ metadata }) => metadata!.namespace === world.namespace));
    await api.remove(`${accounts(world)}?labelSelector=lived%3Dthrough`);
    await seen('DELETED');
  });

  behaviour('should update a ServiceAccount', async (world) => {
    const created = await createAccount(world, 'updated');
    assert.equal(created.automountServiceAccountToken, undefined);
    await rest(world).update<V1ServiceAccount>(`${accounts(world)}/updated`, (account) => {
      account.automountServiceAccountToken = true;
    });
    const now = await rest(world).get<V1ServiceAccount>(`${accounts(world)}/updated`);
    assert.equal(now.automountServiceAccountToken, true);
  });

  behaviour('should guarantee kube-root-ca.crt exist in any namespace', async (world) => {
    const path = `${core(world)}/configmaps/kube-root-ca.crt`;
    const published = (): Promise<V1ConfigMap | undefined> =>
      world.request({ path }).then((answer) => (answer.status === 200 ? answer.json<V1ConfigMap>() : undefined));
    const original = await until(published, 'the published CA');
    assert.match(original.data!['ca.crt']!, /^-----BEGIN CERTIFICATE-----/);
    await rest(world).remove(path);
    await until(async () => (await published())?.data?.['ca.crt'] === original.data!['ca.crt'], 'the CA to come back');
    await rest(world).patch(path, { data: { 'ca.crt': '' } });
    await until(async () => (await published())?.data?.['ca.crt'] === original.data!['ca.crt'], 'the CA to be put right');
  });
});
