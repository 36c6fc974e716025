import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../fixtures/apiserver.ts';
import { createClient } from '../../src/client/new-client.ts';
import { NODES, PODS, SERVICE_ACCOUNTS } from '../../src/client/resources.ts';
import type { Client } from '../../src/client/client.ts';
import type { Pod } from '../../src/api/types.gen.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';

let api: TestApiServer;
let client: Client;

before(async () => {
  api = await startTestApiServer();
  client = createClient({ transport: api.loopback(), clock: systemClock(), log: silentLogger });
  await client.resource(SERVICE_ACCOUNTS, 'default').create({ metadata: { name: 'default' } });
});

after(() => api.close());

const status = {
  phase: 'Running',
  podIP: '10.0.0.7',
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  containerStatuses: [{ name: 'c', image: 'nginx', imageID: '', ready: true, restartCount: 0, state: {}, lastState: {} }],
};

/** What differs between two pods that were treated alike is not compared. */
function comparable({ metadata, spec, status: of }: Pod): unknown {
  const { labels, annotations, generation, managedFields = [] } = metadata;
  const owners = managedFields.map(({ time: _time, ...entry }) => entry);
  const volumes = spec!.volumes?.map(({ name: _name, ...source }) => source);
  const containers = spec!.containers.map(({ volumeMounts: _mounts, ...container }) => container);
  return { labels, annotations, generation, owners, spec: { ...spec, volumes, containers }, status: of };
}

describe('a patch of the status alone', () => {
  for (const type of ['merge', 'strategic'] as const) {
    for (const [name, metadata] of Object.entries({
      'the status': undefined,
      'the status and an annotation': { annotations: { seen: 'yes' } },
      'the status, and labels that are its own': { labels: { app: 'b' } },
    })) {
      it(`leaves what a patch that also speaks of the spec leaves: ${type}, ${name}`, async () => {
        const pods = client.resource(PODS, 'default');
        const make = (): Promise<Pod> =>
          pods.create({ metadata: { generateName: 'p-', labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } });
        const [one, other] = [await make(), await make()];
        const patch = { ...(metadata ? { metadata } : {}), status };
        const short = await pods.patch(one.metadata.name!, type, patch, 'status');
        const long = await pods.patch(other.metadata.name!, type, { ...patch, spec: { priority: 7, nodeName: 'other' } }, 'status');
        assert.deepEqual(comparable(short), comparable(long));
        assert.equal(short.status!.phase, 'Running');
        assert.equal(short.spec!.nodeName, undefined);
        const again = await pods.patch(one.metadata.name!, type, patch, 'status');
        assert.equal(again.metadata.resourceVersion, short.metadata.resourceVersion, 'nothing changed, nothing is written');
      });
    }
  }

  it('fills in what a status is given where it leaves it out', async () => {
    const nodes = client.resource(NODES);
    await nodes.create({ metadata: { name: 'n' } });
    const patched = await nodes.patch('n', 'merge', { status: { capacity: { cpu: '2' } } }, 'status');
    assert.deepEqual(patched.status!.allocatable, { cpu: '2' });
  });

  it('still says what is wrong with the whole object', async () => {
    const { metadata } = await client
      .resource(PODS, 'default')
      .create({ metadata: { generateName: 'p-' }, spec: { containers: [{ name: 'c', image: 'nginx' }] } });
    await assert.rejects(
      client.resource(PODS, 'default').patch(metadata.name!, 'merge', { status: { phase: 5 } }, 'status'),
      (error: Error) => {
        assert.match(error.message, /cannot unmarshal number into Go struct field/);
        assert.match(error.message, /containers/);
        return true;
      },
    );
  });
});
