import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { withControllers, type ControllerWorld } from '../../../test/fixtures/controller-world.ts';
import { CONFIG_MAPS, SECRETS } from '../../client/resources.ts';
import { createBootstrapSigner } from './bootstrap-signer.ts';
import { createTokenCleaner } from './token-cleaner.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function createToken(
  { context, clock }: ControllerWorld,
  id: string,
  more: { seconds?: number; signs?: boolean; type?: string } = {},
): Promise<unknown> {
  const { seconds, signs = true, type = 'bootstrap.kubernetes.io/token' } = more;
  const expiration: Record<string, string> =
    seconds === undefined ? {} : { expiration: base64(new Date(clock.now() + seconds * 1000).toISOString()) };
  return context.client.resource(SECRETS, 'kube-system').create({
    metadata: { name: `bootstrap-token-${id}` },
    type,
    data: {
      'token-id': base64(id),
      'token-secret': base64('0123456789abcdef'),
      'usage-bootstrap-signing': base64(String(signs)),
      ...expiration,
    },
  });
}

test('tokens go when they expire, and nothing else does', () =>
  withControllers(async (world) => {
    const { api, context, start, pass } = world;
    await start(createTokenCleaner(context));
    await createToken(world, 'aaaaaa', { seconds: 60 });
    await createToken(world, 'bbbbbb', { seconds: -5 });
    await createToken(world, 'cccccc');
    await createToken(world, 'dddddd', { seconds: -5, type: 'Opaque' });
    const names = (): string[] => api.all(SECRETS).map(({ metadata }) => metadata.name!.slice(-6));
    await pass(10);
    assert.deepEqual(names(), ['aaaaaa', 'cccccc', 'dddddd']);
    await pass(61_000);
    assert.deepEqual(names(), ['cccccc', 'dddddd']);
  }));

test('cluster-info is signed with every token that may sign, as long as it may', () =>
  withControllers(async (world) => {
    const { context, start, pass, logged } = world;
    const maps = context.client.resource(CONFIG_MAPS, 'kube-public');
    await start(createBootstrapSigner(context));
    await createToken(world, 'aaaaaa', { seconds: 60 });
    await createToken(world, 'bbbbbb', { signs: false });
    await createToken(world, 'cccccc');
    await maps.create({ metadata: { name: 'cluster-info' }, data: { kubeconfig: 'kind: Config\n', 'jws-kubeconfig-gone00': 'x' } });
    await pass(10);
    const keys = async (): Promise<string[]> => Object.keys((await maps.get('cluster-info')).data!);
    assert.deepEqual(await keys(), ['kubeconfig', 'jws-kubeconfig-aaaaaa', 'jws-kubeconfig-cccccc']);
    const [header, payload, signature] = (await maps.get('cluster-info')).data!['jws-kubeconfig-aaaaaa']!.split('.');
    assert.deepEqual(JSON.parse(Buffer.from(header!, 'base64url').toString()), { alg: 'HS256', kid: 'aaaaaa' });
    assert.equal(payload, '');
    const content = Buffer.from('kind: Config\n').toString('base64url');
    assert.equal(signature, createHmac('sha256', '0123456789abcdef').update(`${header}.${content}`).digest('base64url'));
    await maps.patch('cluster-info', 'merge', { data: { kubeconfig: 'kind: Other\n' } });
    await pass(10);
    assert.notEqual((await maps.get('cluster-info')).data!['jws-kubeconfig-aaaaaa']!.split('.')[2], signature);
    await pass(61_000);
    assert.deepEqual(await keys(), ['kubeconfig', 'jws-kubeconfig-cccccc']);
    await context.client.resource(SECRETS, 'kube-system').delete('bootstrap-token-cccccc');
    await pass(10);
    assert.deepEqual(await keys(), ['kubeconfig']);
    assert.deepEqual(logged, []);
  }));
