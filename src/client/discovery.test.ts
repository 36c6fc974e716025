import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryApi } from '../../test/fixtures/memory-api.ts';
import { StatusError, statusError } from '../api/status.ts';
import type { ApiRequest, Transport } from '../api/transport.ts';
import { ManualClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { discoverResources } from './discovery.ts';
import { createClient } from './new-client.ts';

const clientOf = (transport: Transport) => createClient({ transport, clock: new ManualClock(), log: silentLogger });

test('an aggregated discovery takes two requests', async () => {
  const api = new MemoryApi();
  const { resources, failed } = await discoverResources(clientOf(api.transport));
  const deployments = resources.find(({ resource }) => resource === 'deployments')!;
  assert.deepEqual(
    { ...deployments, verbs: deployments.verbs.includes('delete') },
    { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true, verbs: true },
  );
  assert.equal(resources.find(({ resource }) => resource === 'nodes')?.namespaced, false);
  assert.deepEqual([failed, api.requests.length], [[], 2]);
});

test('a group whose server is down is told as failed, the others are found', async () => {
  const answers: Record<string, unknown> = {
    '/api': { kind: 'APIVersions', versions: ['v1'] },
    '/apis': {
      kind: 'APIGroupList',
      groups: [
        { name: 'apps', versions: [], preferredVersion: { groupVersion: 'apps/v1', version: 'v1' } },
        { name: 'metrics.k8s.io', versions: [], preferredVersion: { groupVersion: 'metrics.k8s.io/v1beta1', version: 'v1beta1' } },
      ],
    },
    '/api/v1': {
      resources: [
        { name: 'pods', kind: 'Pod', namespaced: true, verbs: ['list'] },
        { name: 'pods/log', kind: 'Pod', namespaced: true, verbs: ['get'] },
      ],
    },
    '/apis/apps/v1': { resources: [{ name: 'deployments', kind: 'Deployment', namespaced: true, verbs: ['list'] }] },
  };
  const transport = async ({ path }: ApiRequest) => {
    if (answers[path]) return { status: 200, headers: {}, body: answers[path] };
    return { status: 503, headers: {}, body: statusError('ServiceUnavailable', 'down').status };
  };
  const { resources, failed } = await discoverResources(clientOf(transport));
  assert.deepEqual(resources.map(({ resource }) => resource).toSorted(), ['deployments', 'pods']);
  assert.deepEqual(failed, ['metrics.k8s.io/v1beta1']);
});

test('a server that does not answer at all is an error', async () => {
  const api = new MemoryApi();
  api.refuse = () => {
    throw statusError('Forbidden', 'no');
  };
  await assert.rejects(discoverResources(clientOf(api.transport)), (error) => StatusError.is(error, 'Forbidden'));
});
