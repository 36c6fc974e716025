import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { findResource } from '../scheme.ts';
import { convertFromStorage, convertToStorage, isStoredForm } from './convert.ts';

const metadata = { name: 'a', namespace: 'n' };
const resource = (group: string, version: string, name: string) => findResource(group, version, name)!;

test('a kind that is stored as it is served is not copied', () => {
  const pods = resource('', 'v1', 'pods');
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata };
  assert.ok(isStoredForm(pods));
  assert.equal(convertToStorage(pods, pod), pod);
  assert.equal(convertFromStorage(pods, pod), pod);
});

test('Events of both groups are one', () => {
  const events = resource('events.k8s.io', 'v1', 'events');
  const event: KubeObject = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata,
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'p' },
    note: 'text',
    reason: 'Why',
    type: 'Normal',
    reportingController: 'c',
    reportingInstance: 'i',
    action: 'Do',
    deprecatedSource: { component: 'x' },
    deprecatedCount: 3,
    deprecatedFirstTimestamp: null,
    deprecatedLastTimestamp: null,
  };
  const stored = convertToStorage(events, event);
  assert.deepEqual(stored, {
    apiVersion: 'v1',
    kind: 'Event',
    metadata,
    eventTime: '2026-01-01T00:00:00.000000Z',
    involvedObject: { kind: 'Pod', name: 'p' },
    message: 'text',
    reason: 'Why',
    type: 'Normal',
    reportingComponent: 'c',
    reportingInstance: 'i',
    action: 'Do',
    source: { component: 'x' },
    count: 3,
    firstTimestamp: null,
    lastTimestamp: null,
  });
  assert.deepEqual(convertFromStorage(events, stored), event);
});

test('autoscaling/v1 carries what it has no field for in annotations', () => {
  const served = resource('autoscaling', 'v1', 'horizontalpodautoscalers');
  const v2: KubeObject = {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { ...metadata, annotations: { mine: 'x' } },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd' },
      maxReplicas: 3,
      behavior: { scaleDown: { stabilizationWindowSeconds: 1 } },
      metrics: [
        { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '10' } } },
        {
          type: 'Object',
          object: { metric: { name: 'queue' }, describedObject: { kind: 'Service', name: 's' }, target: { type: 'Value', value: '7' } },
        },
        {
          type: 'External',
          external: { metric: { name: 'q', selector: { matchLabels: { a: 'b' } } }, target: { type: 'Value', value: '9' } },
        },
        {
          type: 'ContainerResource',
          containerResource: { name: 'memory', container: 'c', target: { type: 'AverageValue', averageValue: '1Mi' } },
        },
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ],
    },
    status: {
      currentReplicas: 1,
      desiredReplicas: 1,
      conditions: [{ type: 'AbleToScale', status: 'True' }],
      currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }],
    },
  };
  const v1 = convertFromStorage(served, v2);
  assert.deepEqual(v1['spec'], { scaleTargetRef: { kind: 'Deployment', name: 'd' }, maxReplicas: 3, targetCPUUtilizationPercentage: 80 });
  assert.deepEqual(v1['status'], { currentReplicas: 1, desiredReplicas: 1, currentCPUUtilizationPercentage: 12 });
  assert.equal(v1.apiVersion, 'autoscaling/v1');
  assert.match(v1.metadata.annotations!['autoscaling.alpha.kubernetes.io/metrics']!, /"metricName":"rps"/);
  assert.deepEqual(convertToStorage(served, v1), v2);
});

test('resource.k8s.io/v1beta1', () => {
  const claims = resource('resource.k8s.io', 'v1beta1', 'resourceclaims');
  const claim: KubeObject = {
    apiVersion: 'resource.k8s.io/v1beta1',
    kind: 'ResourceClaim',
    metadata,
    spec: {
      devices: {
        requests: [
          { name: 'r', deviceClassName: 'gpu', count: 2 },
          { name: 'any', deviceClassName: '', firstAvailable: [{ name: 'x' }] },
        ],
      },
    },
  };
  const stored = convertToStorage(claims, claim);
  assert.deepEqual(stored['spec'], {
    devices: {
      requests: [
        { name: 'r', exactly: { deviceClassName: 'gpu', count: 2 } },
        { name: 'any', firstAvailable: [{ name: 'x' }] },
      ],
    },
  });
  assert.deepEqual(convertFromStorage(claims, stored), claim);
  const slices = resource('resource.k8s.io', 'v1beta1', 'resourceslices');
  const slice: KubeObject = {
    apiVersion: 'resource.k8s.io/v1beta1',
    kind: 'ResourceSlice',
    metadata,
    spec: { driver: 'd', devices: [{ name: 'gpu0', basic: { capacity: { m: { value: '1' } } } }] },
  };
  assert.deepEqual(convertToStorage(slices, slice)['spec'], { driver: 'd', devices: [{ name: 'gpu0', capacity: { m: { value: '1' } } }] });
  assert.deepEqual(convertFromStorage(slices, convertToStorage(slices, slice)), slice);
});
