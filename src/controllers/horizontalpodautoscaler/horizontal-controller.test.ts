/** The controller under a stepped clock, with a scale subresource and metrics APIs that say what the test wants. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ControllerWorld, withControllers } from '../../../test/fixtures/controller-world.ts';
import { type Scale, scaleOf } from '../../api/strategy/scale.ts';
import type { KubeObject } from '../../api/meta.ts';
import { resourceByKind } from '../../api/scheme.ts';
import { notFound, statusError, StatusError } from '../../api/status.ts';
import type { ApiRequest, ApiResponse, Transport } from '../../api/transport.ts';
import type {
  Deployment,
  V2HorizontalPodAutoscaler as Autoscaler,
  V2HorizontalPodAutoscalerSpec as AutoscalerSpec,
  V2MetricSpec,
} from '../../api/types.gen.ts';
import { withTransport } from '../../client/new-client.ts';
import { DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS, PODS } from '../../client/resources.ts';
import { createHorizontalPodAutoscalerController } from './horizontal-controller.ts';

const NS = 'default';
const SYNC_MS = 15_000;
const cpuAt = (averageUtilization: number): V2MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

interface Stage extends ControllerWorld {
  /** What every pod uses: milli of CPU, and of container `main`. undefined: no metrics. */
  cpu: number | undefined;
  /** Answers of the custom and external metrics APIs, by path without `/apis/`. */
  values: Record<string, { value: string; name?: string }[]>;
  /** Paths that were asked for metrics. */
  asked: string[];
  /** As many pods as the Deployment asks for, all ready for an hour. */
  settlePods(): Promise<void>;
  hpa(spec?: Partial<AutoscalerSpec>, name?: string): Promise<void>;
  status(name?: string): NonNullable<Autoscaler['status']>;
  /** `ScalingActive True ValidMetricFound` */
  condition(type: string): string;
  replicas(): number | undefined;
}

async function onStage(work: (stage: Stage) => Promise<void>, { replicas = 2, request = '1' } = {}): Promise<void> {
  await withControllers(async (world) => {
    const stage = await build(world, replicas, request);
    await world.start(
      createHorizontalPodAutoscalerController({ ...world.context, client: withTransport(world.context.client, transportOf(stage)) }),
    );
    await work(stage);
  });
}

async function build(world: ControllerWorld, replicas: number, request: string): Promise<Stage> {
  const { client } = world.context;
  const labels = { app: 'web' };
  const resources = request === '' ? {} : { requests: { cpu: request } };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'main', image: 'web', resources }] } };
  await client
    .resource(DEPLOYMENTS, NS)
    .create({ metadata: { name: 'web' }, spec: { replicas, selector: { matchLabels: labels }, template } });
  const stage: Stage = Object.assign(Object.create(world) as ControllerWorld, {
    ...world,
    cpu: undefined as number | undefined,
    values: {},
    asked: [],
    async settlePods() {
      const wanted = stage.replicas() ?? 0;
      const now = world.clock.now();
      const hourAgo = new Date(now - 3_600_000).toISOString();
      const names = world.api.all(PODS).map(({ metadata }) => metadata.name!);
      for (const name of names.slice(wanted)) await client.resource(PODS, NS).delete(name);
      for (let index = names.length; index < wanted; index++) {
        const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: hourAgo }];
        await client.resource(PODS, NS).create({
          metadata: { name: `web-${index}`, labels },
          spec: template.spec,
          status: { phase: 'Running', startTime: hourAgo, conditions },
        });
      }
    },
    async hpa(spec: Partial<AutoscalerSpec> = {}, name = 'web') {
      const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
      const whole = { scaleTargetRef, minReplicas: 1, maxReplicas: 10, metrics: [cpuAt(50)], ...spec };
      await client.resource(HORIZONTAL_POD_AUTOSCALERS, NS).create({ metadata: { name }, spec: whole });
      await world.pass(1);
    },
    status: (name = 'web') => world.api.all(HORIZONTAL_POD_AUTOSCALERS).find(({ metadata }) => metadata.name === name)!.status!,
    condition(type: string) {
      const found = stage.status().conditions?.find((each) => each.type === type);
      return `${type} ${found?.status} ${found?.reason}`;
    },
    replicas: () => deployment(world)?.spec?.replicas,
  });
  await stage.settlePods();
  return stage;
}

const deployment = ({ api }: ControllerWorld): Deployment | undefined => api.all(DEPLOYMENTS)[0];

/** The memory API, with what it has not: scale and the metrics APIs. */
function transportOf(stage: Stage): Transport {
  return async (request) => {
    try {
      return (await answer(stage, request)) ?? (await stage.api.transport(request));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { status: error.code, headers: {}, body: error.status };
    }
  };
}

async function answer(stage: Stage, { method, path, body }: ApiRequest): Promise<ApiResponse | undefined> {
  const ok = (answered: unknown): ApiResponse => ({ status: 200, headers: {}, body: answered });
  const [, group] = /^\/apis\/([a-z.]*metrics\.k8s\.io)\//.exec(path) ?? [];
  if (group) {
    stage.asked.push(path);
    if (group === 'metrics.k8s.io') return ok({ items: podMetrics(stage) });
    const values = stage.values[path.replace(/^\/apis\//, '')];
    if (!values) return { status: 404, headers: {}, text: '404 page not found\n' };
    const timestamp = new Date(stage.clock.now()).toISOString();
    return ok({ items: values.map(({ value, name }) => ({ value, timestamp, describedObject: { name } })) });
  }
  const [, name] = /^\/apis\/apps\/v1\/namespaces\/default\/deployments\/([^/]+)\/scale$/.exec(path) ?? [];
  if (!name) return undefined;
  const live = deployment(stage);
  if (live?.metadata.name !== name) throw notFound('deployments', 'apps', name);
  if (method === 'PUT') {
    const replicas = (body as Scale).spec.replicas!;
    await stage.context.client.resource(DEPLOYMENTS, NS).patch(name, 'merge', { spec: { replicas }, status: { replicas } });
  }
  return ok(scaleOf(resourceByKind('apps', 'v1', 'Deployment')!, deployment(stage) as unknown as KubeObject));
}

function podMetrics({ api, cpu, clock }: Stage): object[] {
  if (cpu === undefined) return [];
  const timestamp = new Date(clock.now()).toISOString();
  return api.all(PODS).map(({ metadata: { name } }) => ({
    metadata: { name, namespace: NS },
    timestamp,
    window: '15s',
    containers: [
      { name: 'main', usage: { cpu: `${cpu}m`, memory: '64Mi' } },
      { name: 'aside', usage: { cpu: '0', memory: '0' } },
    ],
  }));
}

test('under load it grows at once and goes on growing; without load it shrinks after five minutes', () =>
  onStage(async (stage) => {
    stage.cpu = 1000;
    await stage.hpa();
    assert.equal(stage.replicas(), 4);
    assert.deepEqual(stage.events, [
      'Normal SuccessfulRescale web: New size: 4; reason: cpu resource utilization (percentage of request) above target',
    ]);
    assert.deepEqual(['AbleToScale', 'ScalingActive', 'ScalingLimited'].map(stage.condition), [
      'AbleToScale True SucceededRescale',
      'ScalingActive True ValidMetricFound',
      'ScalingLimited False DesiredWithinRange',
    ]);
    const { currentMetrics, currentReplicas, desiredReplicas, lastScaleTime } = stage.status();
    assert.deepEqual([currentReplicas, desiredReplicas, typeof lastScaleTime], [2, 4, 'string']);
    assert.deepEqual(currentMetrics, [
      { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '1' } } },
    ]);
    await stage.settlePods();
    await stage.pass(SYNC_MS);
    assert.equal(stage.replicas(), 8);
    await stage.settlePods();
    await stage.pass(SYNC_MS);
    assert.equal(stage.replicas(), 10);
    assert.equal(stage.condition('ScalingLimited'), 'ScalingLimited True TooManyReplicas');
    await stage.settlePods();
    stage.cpu = 0;
    await stage.pass(SYNC_MS * 18);
    assert.equal(stage.replicas(), 10);
    assert.equal(stage.condition('AbleToScale'), 'AbleToScale True ScaleDownStabilized');
    await stage.pass(SYNC_MS * 3);
    assert.equal(stage.replicas(), 1);
    assert.equal(stage.events.at(-1), 'Normal SuccessfulRescale web: New size: 1; reason: All metrics below target');
  }));

test('it looks every 15 seconds, and when its autoscaler changes', () =>
  onStage(async (stage) => {
    stage.cpu = 500;
    await stage.hpa();
    const path = '/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb';
    assert.deepEqual(stage.asked, [path]);
    await stage.pass(SYNC_MS - 1000);
    assert.equal(stage.asked.length, 1);
    await stage.pass(2000);
    assert.equal(stage.asked.length, 2);
    await stage.context.client.resource(HORIZONTAL_POD_AUTOSCALERS, NS).patch('web', 'merge', { spec: { minReplicas: 3 } });
    await stage.pass(1);
    assert.equal(stage.replicas(), 3);
    assert.equal(
      stage.events.at(-1),
      'Normal SuccessfulRescale web: New size: 3; reason: Current number of replicas below Spec.MinReplicas',
    );
    await stage.context.client.resource(HORIZONTAL_POD_AUTOSCALERS, NS).delete('web');
    const before = stage.asked.length;
    await stage.pass(SYNC_MS * 4);
    assert.equal(stage.asked.length, before);
  }));

test('bounds come before metrics', () =>
  onStage(
    async (stage) => {
      await stage.hpa({ maxReplicas: 3 });
      assert.equal(stage.replicas(), 3);
      assert.deepEqual(stage.events, [
        'Normal SuccessfulRescale web: New size: 3; reason: Current number of replicas above Spec.MaxReplicas',
      ]);
      assert.deepEqual(stage.asked, []);
    },
    { replicas: 5 },
  ));

test('scaled to nothing by hand means: leave it alone', () =>
  onStage(
    async (stage) => {
      stage.cpu = 1000;
      await stage.hpa();
      assert.equal(stage.replicas(), 0);
      assert.equal(stage.condition('ScalingActive'), 'ScalingActive False ScalingDisabled');
      assert.deepEqual(stage.asked, []);
    },
    { replicas: 0 },
  ));

interface Refusal {
  spec: Partial<AutoscalerSpec>;
  stage?: Parameters<typeof onStage>[1];
  cpu?: number;
  condition: string;
  message: string;
  events: string[];
}

const compute = 'failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu';
const REFUSALS: Record<string, Refusal> = {
  'no metrics yet': {
    spec: {},
    condition: 'ScalingActive False FailedGetResourceMetric',
    message:
      'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    events: [
      'Warning FailedGetResourceMetric web: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
      `Warning FailedComputeMetricsReplicas web: invalid metrics (1 invalid out of 1), first error is: ${compute}: no metrics returned from resource metrics API`,
    ],
  },
  'no requests': {
    spec: {},
    stage: { request: '' },
    cpu: 100,
    condition: 'ScalingActive False FailedGetResourceMetric',
    message:
      'the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container main of Pod web-0',
    events: [
      'Warning FailedGetResourceMetric web: failed to get cpu utilization: missing request for cpu in container main of Pod web-0',
      'Warning FailedComputeMetricsReplicas web: invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: missing request for cpu in container main of Pod web-0',
    ],
  },
  'no such target': {
    spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'other' } },
    condition: 'AbleToScale False FailedGetScale',
    message: `the HPA controller was unable to get the target's current scale: deployments.apps "other" not found`,
    events: ['Warning FailedGetScale web: deployments.apps "other" not found'],
  },
  'no such kind': {
    spec: { scaleTargetRef: { apiVersion: 'shop.example/v1', kind: 'Stall', name: 'x' } },
    condition: 'AbleToScale False FailedGetScale',
    message: `the HPA controller was unable to get the target's current scale: no matches for kind "Stall" in group "shop.example"`,
    events: ['Warning FailedGetScale web: no matches for kind "Stall" in group "shop.example"'],
  },
  'no adapter for custom metrics': {
    spec: { metrics: [{ type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '10' } } }] },
    condition: 'ScalingActive False FailedGetPodsMetric',
    message:
      'the HPA was unable to compute the replica count: unable to get metric qps: unable to fetch metrics from custom metrics API: the server could not find the requested resource (get qps.custom.metrics.k8s.io)',
    events: [
      'Warning FailedGetPodsMetric web: unable to get metric qps: unable to fetch metrics from custom metrics API: the server could not find the requested resource (get qps.custom.metrics.k8s.io)',
      'Warning FailedComputeMetricsReplicas web: invalid metrics (1 invalid out of 1), first error is: failed to get pods metric value: unable to get metric qps: unable to fetch metrics from custom metrics API: the server could not find the requested resource (get qps.custom.metrics.k8s.io)',
    ],
  },
  'no adapter for a metric of an object': {
    spec: {
      metrics: [
        {
          type: 'Object',
          object: {
            metric: { name: 'rps' },
            describedObject: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' },
            target: { type: 'Value', value: '10k' },
          },
        },
      ],
    },
    condition: 'ScalingActive False FailedGetObjectMetric',
    message:
      'the HPA was unable to compute the replica count: unable to get metric rps: Ingress on default main/unable to fetch metrics from custom metrics API: the server could not find the requested resource (get rps.custom.metrics.k8s.io)',
    events: [
      'Warning FailedGetObjectMetric web: unable to get metric rps: Ingress on default main/unable to fetch metrics from custom metrics API: the server could not find the requested resource (get rps.custom.metrics.k8s.io)',
      'Warning FailedComputeMetricsReplicas web: invalid metrics (1 invalid out of 1), first error is: failed to get object metric value: unable to get metric rps: Ingress on default main/unable to fetch metrics from custom metrics API: the server could not find the requested resource (get rps.custom.metrics.k8s.io)',
    ],
  },
};

for (const [name, { spec, stage: at, cpu, condition, message, events }] of Object.entries(REFUSALS)) {
  test(`told in conditions and events: ${name}`, () =>
    onStage(async (stage) => {
      stage.cpu = cpu;
      await stage.hpa(spec);
      const type = condition.split(' ')[0]!;
      assert.equal(stage.condition(type), condition);
      assert.equal(stage.status().conditions?.find((each) => each.type === type)?.message, message);
      assert.deepEqual(stage.events, events);
      assert.equal(stage.replicas(), 2);
      assert.deepEqual(stage.logged, []);
    }, at));
}

interface SourceCase {
  metric: V2MetricSpec;
  values?: Stage['values'];
  replicas: number;
  reason: string;
  current: unknown;
}

const SOURCES: Record<string, SourceCase> = {
  'a resource by amount': {
    metric: { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '32Mi' } } },
    replicas: 4,
    reason: 'memory resource above target',
    current: { averageValue: '67108864' },
  },
  'a container': {
    metric: {
      type: 'ContainerResource',
      containerResource: { name: 'cpu', container: 'main', target: { type: 'Utilization', averageUtilization: 25 } },
    },
    replicas: 4,
    reason: 'cpu container resource utilization (percentage of request) above target',
    current: { averageUtilization: 50, averageValue: '500m' },
  },
  pods: {
    metric: {
      type: 'Pods',
      pods: { metric: { name: 'qps', selector: { matchLabels: { verb: 'GET' } } }, target: { type: 'AverageValue', averageValue: '10' } },
    },
    values: {
      'custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/qps?labelSelector=app%3Dweb&metricLabelSelector=verb%3DGET': [
        { name: 'web-0', value: '10' },
        { name: 'web-1', value: '20' },
      ],
    },
    replicas: 3,
    reason: 'pods metric qps above target',
    current: { averageValue: '15' },
  },
  'an object by value, from an adapter of old': {
    metric: {
      type: 'Object',
      object: {
        metric: { name: 'rps' },
        describedObject: { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', name: 'main' },
        target: { type: 'Value', value: '1k' },
      },
    },
    values: { 'custom.metrics.k8s.io/v1beta1/namespaces/default/ingresses.networking.k8s.io/main/rps': [{ value: '1500' }] },
    replicas: 3,
    reason: 'Ingress metric rps above target',
    current: { value: '1500' },
  },
  'an object by average': {
    metric: {
      type: 'Object',
      object: {
        metric: { name: 'rps' },
        describedObject: { apiVersion: 'v1', kind: 'Service', name: 'web' },
        target: { type: 'AverageValue', averageValue: '100' },
      },
    },
    values: { 'custom.metrics.k8s.io/v1beta2/namespaces/default/services/web/rps': [{ value: '350' }] },
    replicas: 4,
    reason: 'external metric rps(nil) above target',
    current: { averageValue: '175' },
  },
  'an external metric, all its series': {
    metric: {
      type: 'External',
      external: {
        metric: { name: 'queue', selector: { matchLabels: { q: 'jobs' } } },
        target: { type: 'AverageValue', averageValue: '30' },
      },
    },
    values: { 'external.metrics.k8s.io/v1beta1/namespaces/default/queue?labelSelector=q%3Djobs': [{ value: '70' }, { value: '50' }] },
    replicas: 4,
    reason:
      'external metric queue(&LabelSelector{MatchLabels:map[string]string{q: jobs,},MatchExpressions:[]LabelSelectorRequirement{},}) above target',
    current: { averageValue: '60' },
  },
};

for (const [name, { metric, values = {}, replicas, reason, current }] of Object.entries(SOURCES)) {
  test(`every source of metrics: ${name}`, () =>
    onStage(async (stage) => {
      stage.cpu = 500;
      stage.values = values;
      await stage.context.client.resource(DEPLOYMENTS, NS).patch('web', 'merge', { status: { replicas: 2 } });
      await stage.hpa({ metrics: [metric] });
      assert.deepEqual(stage.events, [`Normal SuccessfulRescale web: New size: ${replicas}; reason: ${reason}`]);
      assert.equal(stage.replicas(), replicas);
      const [shown] = stage.status().currentMetrics!;
      const { current: found } = Object.values(shown!).find((value) => typeof value === 'object') as { current: unknown };
      assert.deepEqual(found, current);
    }));
}

test('of several metrics the one that asks for most counts; one that is missing forbids less, not more', () =>
  onStage(async (stage) => {
    const missing: V2MetricSpec = { type: 'Pods', pods: { metric: { name: 'qps' }, target: { type: 'AverageValue', averageValue: '1' } } };
    const memory: V2MetricSpec = { type: 'Resource', resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '16Mi' } } };
    stage.cpu = 600;
    await stage.hpa({
      metrics: [missing, cpuAt(50), { ...memory }],
      maxReplicas: 6,
      behavior: { scaleUp: { policies: [], selectPolicy: 'Max' } },
    });
    assert.equal(stage.condition('ScalingActive'), 'ScalingActive True ValidMetricFound');
    assert.deepEqual(
      stage.status().currentMetrics?.map(({ type }) => type),
      ['', 'Resource', 'Resource'],
    );
    await stage.context.client.resource(HORIZONTAL_POD_AUTOSCALERS, NS).patch('web', 'merge', { spec: { metrics: [missing, cpuAt(600)] } });
    await stage.pass(1);
    assert.equal(stage.condition('ScalingActive'), 'ScalingActive False FailedGetPodsMetric');
    assert.equal(stage.replicas(), 2);
  }));

test('two autoscalers on the same pods both stand still', () =>
  onStage(async (stage) => {
    stage.cpu = 1000;
    await stage.hpa();
    await stage.settlePods();
    await stage.hpa({}, 'second');
    await stage.pass(SYNC_MS);
    const message = 'pods by selector app=web are controlled by multiple HPAs: [{second default} {web default}]';
    for (const name of ['web', 'second']) {
      const active = stage.status(name).conditions?.find(({ type }) => type === 'ScalingActive');
      assert.deepEqual([active?.status, active?.reason, active?.message], ['False', 'AmbiguousSelector', message]);
    }
    assert.equal(stage.replicas(), 4);
    await stage.context.client.resource(HORIZONTAL_POD_AUTOSCALERS, NS).delete('second');
    await stage.pass(SYNC_MS);
    assert.equal(stage.replicas(), 8);
  }));

test('a scale that cannot be written is told, and tried again', () =>
  onStage(async (stage) => {
    stage.cpu = 1000;
    stage.api.refuse = ({ method, path }) => {
      if (method === 'PATCH' && path.endsWith('/deployments/web')) throw statusError('Forbidden', 'not now');
    };
    await stage.hpa();
    assert.equal(stage.condition('AbleToScale'), 'AbleToScale False FailedUpdateScale');
    const reason = 'cpu resource utilization (percentage of request) above target';
    assert.deepEqual(stage.events, [`Warning FailedRescale web: New size: 4; reason: ${reason}; error: not now`]);
    stage.api.refuse = () => undefined;
    await stage.pass(SYNC_MS);
    assert.equal(stage.replicas(), 4);
    assert.equal(stage.condition('AbleToScale'), 'AbleToScale True SucceededRescale');
  }));

test('an autoscaler brings its own tolerance', () =>
  onStage(async (stage) => {
    stage.cpu = 620;
    const policies = [{ type: 'Percent', value: 100, periodSeconds: 15 }];
    const rules = { selectPolicy: 'Max', policies, stabilizationWindowSeconds: 0 };
    await stage.hpa({ behavior: { scaleUp: { ...rules, tolerance: '0.25' }, scaleDown: rules } });
    assert.equal(stage.replicas(), 2);
    await stage.context.client
      .resource(HORIZONTAL_POD_AUTOSCALERS, NS)
      .patch('web', 'merge', { spec: { behavior: { scaleUp: { tolerance: '50m' } } } });
    await stage.pass(1);
    assert.equal(stage.replicas(), 3);
  }));
