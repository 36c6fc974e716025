import assert from 'node:assert/strict';
import type { KubernetesObject } from '@kubernetes/client-node';
import { startConversionServer } from '../../fixtures/conversion-server.ts';
import { conformance, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';
import { ANYTHING, define, definition, version, type Defined } from './definitions.ts';

/** v1 has `hostPort: "host:port"`, v2 has the two apart. */
interface Custom extends KubernetesObject {
  hostPort?: string;
  host?: string;
  port?: string;
}

function convert(object: Custom, desired: string): Custom {
  const { hostPort, host, port, ...rest } = object;
  if (desired.endsWith('/v2')) {
    const [first, second] = (hostPort ?? ':').split(':');
    return { ...rest, apiVersion: desired, ...(hostPort === undefined ? { host: host!, port: port! } : { host: first!, port: second! }) };
  }
  return { ...rest, apiVersion: desired, hostPort: hostPort ?? `${host}:${port}` };
}

async function defineConverted(world: World): Promise<Defined> {
  const { clientConfig, close } = await startConversionServer((object, apiVersion) => ({ ...convert(object, apiVersion) }));
  world.test.after(close);
  const versions = [version('v1', ANYTHING), version('v2', ANYTHING, { storage: false })];
  const conversion = { strategy: 'Webhook', webhook: { clientConfig, conversionReviewVersions: ['v1', 'v1beta1'] } };
  return define(world, definition(versions, { spec: { conversion } }));
}

const at = (defined: Defined, name: string, more: object) => ({ apiVersion: `${defined.group}/${name}`, kind: defined.kind, ...more });

conformance('api-machinery', 'CustomResourceConversionWebhook', {}, (behaviour) => {
  behaviour('[Privileged:ClusterAdmin] should be able to convert a non homogeneous list of CRs', async (world) => {
    const defined = await defineConverted(world);
    const { create, patch, list } = rest(world);
    await create(defined.objects('v1'), at(defined, 'v1', { metadata: { name: 'first' }, hostPort: 'localhost:8080' }));
    // From now on v2 is stored: the list is read from both forms.
    await patch(
      defined.path,
      [
        { op: 'replace', path: '/spec/versions/0/storage', value: false },
        { op: 'replace', path: '/spec/versions/1/storage', value: true },
      ],
      'json',
    );
    await create(defined.objects('v2'), at(defined, 'v2', { metadata: { name: 'second' }, host: 'localhost', port: '8081' }));
    const fields = ({ metadata, hostPort, host, port }: Custom) => ({ name: metadata!.name, hostPort, host, port });
    await until(async () => (await world.request({ path: defined.objects('v2') })).status === 200, 'both are served');
    assert.deepEqual((await list<Custom>(defined.objects('v1'))).map(fields), [
      { name: 'first', hostPort: 'localhost:8080', host: undefined, port: undefined },
      { name: 'second', hostPort: 'localhost:8081', host: undefined, port: undefined },
    ]);
    assert.deepEqual((await list<Custom>(defined.objects('v2'))).map(fields), [
      { name: 'first', hostPort: undefined, host: 'localhost', port: '8080' },
      { name: 'second', hostPort: undefined, host: 'localhost', port: '8081' },
    ]);
  });

  behaviour('[Privileged:ClusterAdmin] should be able to convert from CR v1 to CR v2', async (world) => {
    const defined = await defineConverted(world);
    const { create, get } = rest(world);
    await create(defined.objects('v1'), at(defined, 'v1', { metadata: { name: 'converted' }, hostPort: 'localhost:8080' }));
    const { host, port, hostPort, apiVersion } = await get<Custom>(`${defined.objects('v2')}/converted`);
    assert.deepEqual(
      { host, port, hostPort, apiVersion },
      { host: 'localhost', port: '8080', hostPort: undefined, apiVersion: `${defined.group}/v2` },
    );
  });
});
