import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withControllers } from '../../../test/fixtures/controller-world.ts';
import { ENDPOINTS, PODS, SERVICES } from '../../client/resources.ts';
import { createEndpointsController } from './endpoints-controller.ts';

const NS = 'default';

test('Endpoints that do not hold every address say so, until they do', () =>
  withControllers(async ({ api, context, logged, start, pass }) => {
    const pods = context.client.resource(PODS, NS);
    for (let i = 0; i <= 1000; i++) {
      const status = {
        phase: 'Running',
        podIPs: [{ ip: `10.1.${i >> 8}.${i & 255}` }],
        conditions: [{ type: 'Ready', status: i < 3 ? 'False' : 'True' }],
      };
      await pods.create({ metadata: { name: `p${i}`, labels: { app: 'web' } }, spec: { containers: [], nodeName: 'n1' }, status });
    }
    await context.client
      .resource(SERVICES, NS)
      .create({ metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
    await start(createEndpointsController(context));
    await pass(100);
    const [found] = api.all(ENDPOINTS);
    assert.equal(found!.metadata.annotations!['endpoints.kubernetes.io/over-capacity'], 'truncated');
    assert.deepEqual([found!.subsets![0]!.addresses!.length, found!.subsets![0]!.notReadyAddresses!.length], [998, 2]);
    await pods.delete('p0', { gracePeriodSeconds: 0 });
    await pass(100);
    const [after] = api.all(ENDPOINTS);
    assert.equal(after!.metadata.annotations, undefined);
    assert.deepEqual([after!.subsets![0]!.addresses!.length, after!.subsets![0]!.notReadyAddresses!.length], [998, 2]);
    assert.deepEqual(logged, []);
  }));
