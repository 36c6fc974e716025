import assert from 'node:assert/strict';
import type { V1ConfigMap, V1ResourceQuota } from '@kubernetes/client-node';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { rest } from '../rest.ts';

const NAME = 'test-quota';
type Amounts = Record<string, string>;

const core = ({ namespace }: World): string => `/api/v1/namespaces/${namespace}`;
const quotas = (world: World): string => `${core(world)}/resourcequotas`;

const HARD: Amounts = {
  pods: '5',
  services: '10',
  'services.nodeports': '1',
  'services.loadbalancers': '1',
  replicationcontrollers: '10',
  resourcequotas: '1',
  cpu: '1',
  memory: '500Mi',
  configmaps: '10',
  secrets: '10',
  persistentvolumeclaims: '10',
  'requests.storage': '10Gi',
  'count/replicasets.apps': '5',
  'ephemeral-storage': '50Gi',
};

const quota = (hard: Amounts, more: object = {}, name = NAME) => ({ metadata: { name }, spec: { hard, ...more } });

/** Waits until the quota's status counts these amounts used, and all of `hard`. */
const used = (world: World, amounts: Amounts, name = NAME) =>
  until(
    async () => {
      const { status } = await rest(world).get<V1ResourceQuota>(`${quotas(world)}/${name}`);
      return Object.entries(amounts).every(([resource, amount]) => status?.used?.[resource] === amount);
    },
    `${name} counts ${JSON.stringify(amounts)}`,
  );

/** The quota as upstream's list of everything, and its first calculation. */
async function fullQuota(world: World): Promise<void> {
  await rest(world).create(quotas(world), quota(HARD));
  await used(world, { resourcequotas: '1', pods: '0' });
}

function pod(name: string, requests?: Amounts, more: object = {}) {
  const resources = requests ? { resources: { requests, limits: requests } } : {};
  return {
    metadata: { name, labels: { name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'pause', image: IMAGES.web, imagePullPolicy: 'IfNotPresent', ...resources }],
      ...more,
    },
  };
}

async function refused(world: World, path: string, body: object): Promise<void> {
  const answer = await world.request({ method: 'POST', path, body });
  assert.equal(answer.status, 403, answer.text);
  assert.match(answer.text, /exceeded quota: test-quota/);
}

conformance('api-machinery', 'ResourceQuota', {}, (behaviour) => {
  behaviour('should apply changes to a resourcequota status', async (world) => {
    const { create, get, patch, replace, watch } = rest(world);
    const path = `${quotas(world)}/${NAME}`;
    const log = await watch<V1ResourceQuota>(quotas(world));
    await create(quotas(world), quota({ cpu: '500m', memory: '500Mi' }));
    await log.until(({ object }) => object.status?.hard?.['cpu'] === '500m', 'the controller fills in the status');
    const read = await get<V1ResourceQuota>(`${path}/status`);
    read.spec!.hard!['cpu'] = '5';
    read.status!.hard = { ...read.status!.hard, cpu: '600m' };
    const updated = await replace<V1ResourceQuota>(`${path}/status`, read);
    assert.equal(updated.status!.hard!['cpu'], '600m');
    assert.equal(updated.spec!.hard!['cpu'], '500m', 'the spec is not written through the status');
    await log.until(
      ({ object }) => object.status?.hard?.['cpu'] === '500m',
      'the controller corrects it',
      log.events.findIndex(({ object }) => object.status?.hard?.['cpu'] === '600m') + 1,
    );
    await patch(`${path}/status`, { metadata: { annotations: { seen: 'yes' } }, status: { hard: { memory: '550Mi' } } });
    const seen = (await log.until(({ object }) => object.status?.hard?.['memory'] === '550Mi', 'the patched status')).object;
    assert.equal(seen.spec!.hard!['memory'], '500Mi');
  });

  behaviour('should be able to update and delete ResourceQuota.', async (world) => {
    const { create, get, update, remove } = rest(world);
    const path = `${quotas(world)}/${NAME}`;
    await create(quotas(world), quota({ cpu: '1', memory: '500Mi' }));
    assert.deepEqual((await get<V1ResourceQuota>(path)).spec!.hard, { cpu: '1', memory: '500Mi' });
    await update<V1ResourceQuota>(path, (object) => (object.spec!.hard = { cpu: '2', memory: '1Gi' }));
    assert.deepEqual((await get<V1ResourceQuota>(path)).spec!.hard, { cpu: '2', memory: '1Gi' });
    await remove(path);
    await until(async () => (await world.request({ path })).status === 404, 'the quota is gone');
  });

  behaviour('should create a ResourceQuota and capture the life of a configMap.', async (world) => {
    const { create, list, remove } = rest(world);
    // The root certificate's map is in every namespace, and comes by itself.
    await until(async () => (await list<V1ConfigMap>(`${core(world)}/configmaps`)).length === 1, "the namespace's own map");
    await create(quotas(world), quota({ ...HARD, configmaps: '2' }));
    await used(world, { configmaps: '1' });
    await create(`${core(world)}/configmaps`, { metadata: { name: 'counted' }, data: { a: 'b' } });
    await used(world, { configmaps: '2' });
    await refused(world, `${core(world)}/configmaps`, { metadata: { name: 'too-many' } });
    await remove(`${core(world)}/configmaps/counted`);
    await used(world, { configmaps: '1' });
  });

  behaviour('should create a ResourceQuota and capture the life of a pod.', async (world) => {
    await fullQuota(world);
    const { create, patch, remove } = rest(world);
    const pods = `${core(world)}/pods`;
    await create(pods, pod('fits', { cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi' }));
    await used(world, { pods: '1', cpu: '500m', memory: '252Mi', 'ephemeral-storage': '30Gi' });
    await refused(world, pods, pod('too-big', { cpu: '600m', memory: '100Mi', 'ephemeral-storage': '1Gi' }));
    await refused(world, pods, pod('too-stored', { cpu: '100m', memory: '100Mi', 'ephemeral-storage': '30Gi' }));
    await patch(`${pods}/fits`, { metadata: { labels: { changed: 'yes' } } });
    await used(world, { pods: '1', cpu: '500m' });
    await remove(`${pods}/fits`);
    await used(world, { pods: '0', cpu: '0', memory: '0', 'ephemeral-storage': '0' });
  });

  behaviour('should create a ResourceQuota and capture the life of a replica set.', async (world) => {
    await fullQuota(world);
    const sets = `/apis/apps/v1/namespaces/${world.namespace}/replicasets`;
    const { metadata, spec } = pod('set');
    await rest(world).create(sets, {
      metadata: { name: 'set' },
      spec: {
        replicas: 0,
        selector: { matchLabels: metadata.labels },
        template: { metadata: { labels: metadata.labels }, spec: { containers: spec.containers } },
      },
    });
    await used(world, { 'count/replicasets.apps': '1' });
    await rest(world).remove(`${sets}/set`);
    await used(world, { 'count/replicasets.apps': '0' });
  });

  behaviour('should create a ResourceQuota and capture the life of a replication controller.', async (world) => {
    await fullQuota(world);
    const controllers = `${core(world)}/replicationcontrollers`;
    const { metadata, spec } = pod('controller');
    await rest(world).create(controllers, {
      metadata: { name: 'controller' },
      spec: {
        replicas: 0,
        selector: metadata.labels,
        template: { metadata: { labels: metadata.labels }, spec: { containers: spec.containers } },
      },
    });
    await used(world, { replicationcontrollers: '1' });
    await rest(world).remove(`${controllers}/controller`);
    await used(world, { replicationcontrollers: '0' });
  });

  behaviour('should create a ResourceQuota and capture the life of a secret.', async (world) => {
    const { create, list, remove } = rest(world);
    const before = (await list(`${core(world)}/secrets`)).length;
    await create(quotas(world), quota({ ...HARD, secrets: String(before + 1) }));
    await used(world, { secrets: String(before) });
    await create(`${core(world)}/secrets`, { metadata: { name: 'counted' }, stringData: { a: 'b' } });
    await used(world, { secrets: String(before + 1) });
    await refused(world, `${core(world)}/secrets`, { metadata: { name: 'too-many' } });
    await remove(`${core(world)}/secrets/counted`);
    await used(world, { secrets: String(before) });
  });

  behaviour('should create a ResourceQuota and capture the life of a service.', async (world) => {
    await fullQuota(world);
    const { create, remove } = rest(world);
    const services = `${core(world)}/services`;
    const service = (name: string, type: string) => ({ metadata: { name }, spec: { type, ports: [{ port: 80 }] } });
    await create(services, service('internal', 'ClusterIP'));
    await create(services, service('node-port', 'NodePort'));
    await refused(world, services, service('balanced', 'LoadBalancer'));
    await used(world, { services: '2', 'services.nodeports': '1', 'services.loadbalancers': '0' });
    await remove(`${services}/internal`);
    await remove(`${services}/node-port`);
    await used(world, { services: '0', 'services.nodeports': '0' });
  });

  behaviour('should create a ResourceQuota and ensure its status is promptly calculated.', async (world) => {
    await rest(world).create(quotas(world), quota(HARD));
    await used(world, { resourcequotas: '1', pods: '0', cpu: '0', memory: '0', services: '0', 'requests.storage': '0' });
    const { status } = await rest(world).get<V1ResourceQuota>(`${quotas(world)}/${NAME}`);
    assert.deepEqual(status!.hard, HARD);
  });

  behaviour('should manage the lifecycle of a ResourceQuota', async (world) => {
    const { create, get, patch, list, remove } = rest(world);
    const labels = { [NAME]: 'patched' };
    await create(quotas(world), quota({ cpu: '1', memory: '500Mi' }));
    assert.deepEqual((await get<V1ResourceQuota>(`${quotas(world)}/${NAME}`)).spec!.hard, { cpu: '1', memory: '500Mi' });
    await patch(`${quotas(world)}/${NAME}`, { metadata: { labels }, spec: { hard: { memory: '750Mi' } } }, 'strategic');
    const everywhere = await list<V1ResourceQuota>(`/api/v1/resourcequotas?labelSelector=${NAME}%3Dpatched`);
    const own = everywhere.filter(({ metadata }) => metadata!.namespace === world.namespace);
    assert.deepEqual(
      own.map(({ spec }) => spec!.hard),
      [{ cpu: '1', memory: '750Mi' }],
    );
    await remove(`${quotas(world)}?labelSelector=${NAME}%3Dpatched`);
    await until(async () => (await list(quotas(world))).length === 0, 'the quota is gone');
  });

  behaviour('should verify ResourceQuota with best effort scope.', async (world) => {
    const { create, remove } = rest(world);
    await create(quotas(world), quota({ pods: '5' }, { scopes: ['BestEffort'] }, 'best-effort'));
    await create(quotas(world), quota({ pods: '5' }, { scopes: ['NotBestEffort'] }, 'not-best-effort'));
    await used(world, { pods: '0' }, 'best-effort');
    await used(world, { pods: '0' }, 'not-best-effort');
    const pods = `${core(world)}/pods`;
    for (const [name, requests, counts] of [
      ['effortless', undefined, ['1', '0']],
      ['burstable', { cpu: '100m', memory: '10Mi' }, ['0', '1']],
    ] as const) {
      await create(pods, pod(name, requests));
      await used(world, { pods: counts[0] }, 'best-effort');
      await used(world, { pods: counts[1] }, 'not-best-effort');
      await remove(`${pods}/${name}`);
      await used(world, { pods: '0' }, 'best-effort');
      await used(world, { pods: '0' }, 'not-best-effort');
    }
  });

  behaviour('should verify ResourceQuota with terminating scopes.', async (world) => {
    const { create, remove } = rest(world);
    const hard = { pods: '5', 'requests.cpu': '1', 'requests.memory': '500Mi', 'limits.cpu': '2', 'limits.memory': '1Gi' };
    await create(quotas(world), quota(hard, { scopes: ['Terminating'] }, 'terminating'));
    await create(quotas(world), quota(hard, { scopes: ['NotTerminating'] }, 'not-terminating'));
    await used(world, { pods: '0' }, 'terminating');
    await used(world, { pods: '0' }, 'not-terminating');
    const pods = `${core(world)}/pods`;
    const amounts = { cpu: '500m', memory: '200Mi' };
    for (const [name, more, own, other] of [
      ['long-running', {}, 'not-terminating', 'terminating'],
      ['with-deadline', { activeDeadlineSeconds: 3600 }, 'terminating', 'not-terminating'],
    ] as const) {
      await create(pods, pod(name, amounts, more));
      await used(
        world,
        { pods: '1', 'requests.cpu': '500m', 'requests.memory': '200Mi', 'limits.cpu': '500m', 'limits.memory': '200Mi' },
        own,
      );
      await used(world, { pods: '0', 'requests.cpu': '0' }, other);
      await remove(`${pods}/${name}`);
      await used(world, { pods: '0', 'requests.cpu': '0', 'limits.memory': '0' }, own);
    }
  });
});
