/** The controller alone over TLS, with the rights of its own service account, against a real API server and a metrics API. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiServer, type TestApiServer } from '../../../test/fixtures/apiserver.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import type { KubeObject } from '../../api/meta.ts';
import { resourceByKind } from '../../api/scheme.ts';
import { timestamp } from '../../api/time.ts';
import type { CustomResourceDefinition, V2HorizontalPodAutoscalerSpec as AutoscalerSpec } from '../../api/types.gen.ts';
import type { Client, ResourceType } from '../../client/client.ts';
import { createClient, withTransport } from '../../client/new-client.ts';
import { createRecorder } from '../../client/recorder.ts';
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  DEPLOYMENTS,
  EVENTS,
  HORIZONTAL_POD_AUTOSCALERS,
  PODS,
  SERVICE_ACCOUNTS,
} from '../../client/resources.ts';
import { httpsTransport, type HttpsTransport } from '../../client/transports/https.ts';
import { serviceAccountTransports } from '../../client/transports/service-account.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Component } from '../../lib/component.ts';
import { createLogger, silentLogger } from '../../lib/log.ts';
import { systemRng } from '../../lib/random.ts';
import { createHorizontalPodAutoscalerController } from './horizontal-controller.ts';

const NS = 'default';
const NAME = 'horizontal-pod-autoscaler';
const STALLS: ResourceType = { group: 'shop.example', version: 'v1', resource: 'stalls', kind: 'Stall', namespaced: true };
const clock = systemClock({ unref: true });
const soon = { within: 15_000, every: 20 };

describe('the horizontal pod autoscaler over https', () => {
  let api: TestApiServer;
  let admin: Client;
  let client: Client;
  let controllers: Component[];
  const connections: HttpsTransport[] = [];
  const logged: string[] = [];
  let cpu = '400m';

  before(async () => {
    api = await startTestApiServer();
    admin = createClient({ transport: api.loopback(), clock, log: silentLogger });
    await admin.resource(SERVICE_ACCOUNTS, NS).create({ metadata: { name: 'default' } });
    api.server.localApis.add(metricsApi(admin, () => cpu));
    const overTls = (identity?: string): HttpsTransport => {
      const pem = (name: string): Buffer => Buffer.from(api.pki.get(name)!);
      const credentials = identity ? { cert: pem(`components/${identity}.crt`), key: pem(`components/${identity}.key`) } : {};
      const connection = httpsTransport({ server: api.url, ca: pem('ca.crt'), ...credentials, clock });
      connections.push(connection);
      return connection;
    };
    const log = createLogger({ level: 'warn', write: (line) => void logged.push(line) });
    client = createClient({ transport: overTls('controller-manager').transport, clock, log });
    const own = withTransport(client, serviceAccountTransports({ client, base: overTls().transport, clock })(NAME));
    const events = createRecorder({ client: own, clock, log, component: NAME });
    controllers = createHorizontalPodAutoscalerController({ client: own, clock, rng: systemRng(), log, events });
    await Promise.all(controllers.map((each) => each.start(new AbortController().signal)));
  });
  after(async () => {
    await Promise.all(controllers.map((each) => each.stop()));
    await Promise.all([admin.close(), client.close(), ...connections.map((each) => each.close())]);
    await api.close();
  });

  async function autoscale(name: string, scaleTargetRef: AutoscalerSpec['scaleTargetRef']): Promise<void> {
    const metrics = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }];
    const spec = { scaleTargetRef, minReplicas: 1, maxReplicas: 10, metrics };
    await admin.resource(HORIZONTAL_POD_AUTOSCALERS, NS).create({ metadata: { name }, spec });
  }

  it('scales a Deployment, tells it in status and events', async () => {
    const labels = { app: 'web' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'nginx' }] } };
    await admin
      .resource(DEPLOYMENTS, NS)
      .create({ metadata: { name: 'web' }, spec: { replicas: 1, selector: { matchLabels: labels }, template } });
    await createPod(admin, 'web-1', labels);
    await autoscale('web', { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' });
    await eventually(async () => assert.equal((await admin.resource(DEPLOYMENTS, NS).get('web')).spec?.replicas, 4), soon);
    await eventually(async () => {
      const { status } = await admin.resource(HORIZONTAL_POD_AUTOSCALERS, NS).get('web');
      assert.deepEqual([status?.currentReplicas, status?.desiredReplicas], [1, 4]);
      assert.equal(status?.currentMetrics?.[0]?.resource?.current.averageUtilization, 200);
    }, soon);
    await eventually(async () => {
      const { items } = await admin.resource(EVENTS, NS).list();
      const { reason, message, source } = items.find(({ involvedObject }) => involvedObject.name === 'web')!;
      const why = 'cpu resource utilization (percentage of request) above target';
      assert.deepEqual([reason, message, source?.component], ['SuccessfulRescale', `New size: 4; reason: ${why}`, NAME]);
    }, soon);
  });

  it('tells what it cannot find', async () => {
    const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
    const metrics = [{ type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '10' } } }];
    await admin.resource(HORIZONTAL_POD_AUTOSCALERS, NS).delete('web');
    await admin
      .resource(HORIZONTAL_POD_AUTOSCALERS, NS)
      .create({ metadata: { name: 'qps' }, spec: { scaleTargetRef, maxReplicas: 10, metrics } });
    await eventually(async () => {
      const { status } = await admin.resource(HORIZONTAL_POD_AUTOSCALERS, NS).get('qps');
      const active = status?.conditions?.find(({ type }) => type === 'ScalingActive');
      assert.deepEqual([active?.status, active?.reason], ['False', 'FailedGetPodsMetric']);
      const why = 'the server could not find the requested resource (get qps.custom.metrics.k8s.io)';
      assert.equal(
        active?.message,
        `the HPA was unable to compute the replica count: unable to get metric qps: unable to fetch metrics from custom metrics API: ${why}`,
      );
    }, soon);
  });

  it('scales a custom resource by its scale subresource', async () => {
    cpu = '150m';
    await admin.resource(CUSTOM_RESOURCE_DEFINITIONS).create(stallDefinition());
    const stalls = admin.resource(STALLS, NS);
    await eventually(() => stalls.create({ metadata: { name: 'apples' }, spec: { replicas: 1 } }), soon);
    await createPod(admin, 'apples-1', { app: 'apples' });
    await autoscale('apples', { apiVersion: 'shop.example/v1', kind: 'Stall', name: 'apples' });
    const autoscalers = admin.resource(HORIZONTAL_POD_AUTOSCALERS, NS);
    await eventually(async () => {
      const active = (await autoscalers.get('apples')).status?.conditions?.find(({ type }) => type === 'ScalingActive');
      assert.deepEqual([active?.reason, active?.message], ['InvalidSelector', "the HPA target's scale is missing a selector"]);
    }, soon);
    await stalls.patch('apples', 'merge', { status: { replicas: 1, selector: 'app=apples' } }, 'status');
    // A change of the autoscaler brings the next look at once.
    await autoscalers.patch('apples', 'merge', { spec: { maxReplicas: 9 } });
    await eventually(async () => assert.deepEqual((await stalls.get('apples'))['spec'], { replicas: 2 }), soon);
    assert.deepEqual(logged, []);
  });
});

async function createPod(admin: Client, name: string, labels: Record<string, string>): Promise<void> {
  const containers = [{ name: 'main', image: 'nginx', resources: { requests: { cpu: '200m' } } }];
  await admin.resource(PODS, NS).create({ metadata: { name, labels }, spec: { containers } });
  const hourAgo = timestamp(clock.now() - 3_600_000);
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: hourAgo }];
  await admin.resource(PODS, NS).patch(name, 'merge', { status: { phase: 'Running', startTime: hourAgo, conditions } }, 'status');
}

/** Every pod uses what `cpu` says. */
function metricsApi(admin: Client, cpu: () => string): Parameters<TestApiServer['server']['localApis']['add']>[0] {
  const info = {
    ...resourceByKind('', 'v1', 'Pod')!,
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    kind: 'PodMetrics',
    verbs: ['get', 'list'],
    subresources: [],
  };
  const list = async (namespace: string): Promise<KubeObject[]> => {
    const { items } = await admin.resource(PODS, namespace).list();
    return items.map(({ metadata: { name, labels } }) => ({
      metadata: { name: name!, namespace, labels: labels ?? {} },
      timestamp: timestamp(clock.now()),
      window: '15s',
      containers: [{ name: 'main', usage: { cpu: cpu(), memory: '1Mi' } }],
    }));
  };
  const resource = { info, list, get: () => Promise.resolve(undefined) };
  return { group: 'metrics.k8s.io', version: 'v1beta1', groupPriorityMinimum: 100, versionPriority: 100, resources: [resource] };
}

function stallDefinition(): CustomResourceDefinition {
  const scale = { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas', labelSelectorPath: '.status.selector' };
  const properties = {
    spec: { type: 'object', properties: { replicas: { type: 'integer' } } },
    status: { type: 'object', properties: { replicas: { type: 'integer' }, selector: { type: 'string' } } },
  };
  return {
    metadata: { name: 'stalls.shop.example' },
    spec: {
      group: 'shop.example',
      scope: 'Namespaced',
      names: { plural: 'stalls', singular: 'stall', kind: 'Stall', listKind: 'StallList' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties } },
          subresources: { status: {}, scale },
        },
      ],
    },
  };
}
