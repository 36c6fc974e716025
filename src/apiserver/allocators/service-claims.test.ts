import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import type { ApiRequest, ApiResponse } from '../../api/transport.ts';
import type { Service, ServiceSpec, Status } from '../../api/types.gen.ts';
import { seededRng } from '../../lib/random.ts';
import { AddressPool, AllocationError } from './pools.ts';
import { firstServiceIp, ServiceRange } from './service-ip.ts';

let api: TestApiServer;
before(async () => {
  api = await startTestApiServer();
});
after(() => api?.close());

const PATH = '/api/v1/namespaces/default/services';
const call = (method: ApiRequest['method'], path: string, body?: unknown): Promise<ApiResponse> =>
  api.loopback()({
    method,
    path,
    ...(body === undefined ? {} : { body }),
    ...(method === 'PATCH' ? { headers: { 'content-type': 'application/merge-patch+json' } } : {}),
  });
const service = (name: string, spec: object = {}): object => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], selector: { app: name }, ...spec },
});

async function create(name: string, spec: object = {}): Promise<ServiceSpec> {
  const response = await call('POST', PATH, service(name, spec));
  assert.equal(response.status, 201, JSON.stringify(response.body));
  return (response.body as Service).spec!;
}

async function refuse(name: string, spec: object): Promise<string> {
  const response = await call('POST', PATH, service(name, spec));
  assert.equal(response.status, 422, JSON.stringify(response.body));
  return (response.body as Status).message!;
}

describe('Services get', () => {
  test('an address and families', async () => {
    const spec = await create('plain');
    assert.match(spec.clusterIP!, /^10\.(?:9[6-9]|10\d|11[01])\./);
    assert.deepEqual([spec.clusterIPs, spec.ipFamilies, spec.ipFamilyPolicy], [[spec.clusterIP], ['IPv4'], 'SingleStack']);
  });

  test('the address that they ask for, if it is free', async () => {
    assert.equal((await create('dns', { clusterIP: '10.96.0.10' })).clusterIP, '10.96.0.10');
    assert.equal(
      await refuse('dns2', { clusterIP: '10.96.0.10' }),
      'Service "dns2" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
    );
    assert.match(
      await refuse('far', { clusterIP: '192.168.0.1' }),
      /the provided IP \(192\.168\.0\.1\) is not in the valid range\. The range of valid IPs is 10\.96\.0\.0\/12/,
    );
    assert.match(await refuse('text', { clusterIP: 'text' }), /spec\.clusterIPs/);
    assert.equal((await call('DELETE', `${PATH}/dns`)).status, 200);
    assert.equal((await create('dns3', { clusterIP: '10.96.0.10' })).clusterIP, '10.96.0.10', 'a deleted Service gives its address back');
  });

  test('none when headless', async () => {
    const spec = await create('headless', { clusterIP: 'None' });
    assert.deepEqual([spec.clusterIP, spec.clusterIPs, spec.ipFamilies], ['None', ['None'], ['IPv4']]);
  });

  test('none when they are names elsewhere', async () => {
    const spec = await create('external', { type: 'ExternalName', externalName: 'example.com', ports: undefined });
    assert.deepEqual([spec.clusterIP, spec.ipFamilies], [undefined, undefined]);
  });

  test('node ports, and keep what was allocated when a PUT leaves it out', async () => {
    const spec = await create('node', {
      type: 'NodePort',
      ports: [
        { name: 'a', port: 80 },
        { name: 'b', port: 81, nodePort: 30081 },
      ],
    });
    const [first, second] = spec.ports!;
    assert.ok(first!.nodePort! >= 30000 && first!.nodePort! <= 32767);
    assert.equal(second!.nodePort, 30081);
    const again = await call(
      'PUT',
      `${PATH}/node`,
      service('node', {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 80 },
          { name: 'b', port: 81 },
        ],
      }),
    );
    assert.deepEqual(
      (again.body as Service).spec!.ports!.map(({ nodePort }) => nodePort),
      [first!.nodePort, 30081],
    );
    assert.equal((again.body as Service).spec!.clusterIP, spec.clusterIP);
  });

  test("refusals in upstream's words", async () => {
    assert.equal(
      await refuse('low', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
      'Service "low" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    );
    await create('holder', { type: 'NodePort', ports: [{ port: 80, nodePort: 30090 }] });
    assert.equal(
      await refuse('taken', { type: 'NodePort', ports: [{ port: 80, nodePort: 30090 }] }),
      'Service "taken" is invalid: spec.ports[0].nodePort: Invalid value: 30090: provided port is already allocated',
    );
    assert.match(
      await refuse('dual', { ipFamilyPolicy: 'RequireDualStack' }),
      /spec\.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services/,
    );
  });

  test('rid of node ports when the type changes back', async () => {
    await create('back', { type: 'NodePort', ports: [{ port: 80, nodePort: 30100 }] });
    const changed = await call('PATCH', `${PATH}/back`, { spec: { type: 'ClusterIP' } });
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    assert.equal((changed.body as Service).spec!.ports![0]!.nodePort, undefined);
    assert.equal((await create('next', { type: 'NodePort', ports: [{ port: 80, nodePort: 30100 }] })).ports![0]!.nodePort, 30100);
  });

  test('nothing by a dry run', async () => {
    const dry = await call('POST', `${PATH}?dryRun=All`, service('dry', { clusterIP: '10.96.0.77' }));
    assert.equal(dry.status, 201);
    assert.equal((await create('wet', { clusterIP: '10.96.0.77' })).clusterIP, '10.96.0.77');
  });
});

describe('ranges', () => {
  const cases: { cidr: string; first: string; size: bigint }[] = [
    { cidr: '10.96.0.0/12', first: '10.96.0.1', size: (1n << 20n) - 2n },
    { cidr: '10.0.0.0/30', first: '10.0.0.1', size: 2n },
    { cidr: 'fd00:10:96::/112', first: 'fd00:10:96::1', size: (1n << 16n) - 1n },
  ];
  for (const { cidr, first, size } of cases) {
    test(cidr, () => {
      assert.equal(firstServiceIp(cidr), first);
      assert.equal(new ServiceRange(cidr).size, size);
    });
  }

  test('a small pool is given away to its end, each address once', () => {
    const pool = new AddressPool('10.0.0.0/28', seededRng(1));
    const found = new Set(Array.from({ length: 14 }, (_, index) => pool.takeAny(`s${index}`)));
    assert.equal(found.size, 14);
    assert.throws(() => pool.takeAny('more'), AllocationError);
  });
});
