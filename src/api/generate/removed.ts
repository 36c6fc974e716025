/**
 * Packages that k8s.io/api no longer has, but that tutorials of old still name (api/legacy serves them). autoscaling/v2beta2 became v2 as it
 * was; v2beta1's types are written out with the field numbers of its public protobuf messages.
 */
import { fieldOf } from './aggregator.ts';
import type { GoPackage, GoType } from './go.ts';

export const AUTOSCALING_V2BETA1 = 'k8s.io/api/autoscaling/v2beta1';
export const AUTOSCALING_V2BETA2 = 'k8s.io/api/autoscaling/v2beta2';

const META = ['metav1.TypeMeta ,inline', 'metav1.ObjectMeta metadata,omitempty 1'];
const SOURCES = ['string type 1'];

/** Type to rows of: Go type, JSON name with options, protobuf number. */
const V2BETA1: Readonly<Record<string, readonly string[]>> = {
  CrossVersionObjectReference: ['string kind 1', 'string name 2', 'string apiVersion,omitempty 3'],
  HorizontalPodAutoscaler: [...META, 'HorizontalPodAutoscalerSpec spec,omitempty 2', 'HorizontalPodAutoscalerStatus status,omitempty 3'],
  HorizontalPodAutoscalerList: ['metav1.TypeMeta ,inline', 'metav1.ListMeta metadata,omitempty 1', '[]HorizontalPodAutoscaler items 2'],
  HorizontalPodAutoscalerSpec: [
    'CrossVersionObjectReference scaleTargetRef 1',
    '*int32 minReplicas,omitempty 2',
    'int32 maxReplicas 3',
    '[]MetricSpec metrics,omitempty 4',
  ],
  MetricSpec: [
    ...SOURCES,
    '*ObjectMetricSource object,omitempty 2',
    '*PodsMetricSource pods,omitempty 3',
    '*ResourceMetricSource resource,omitempty 4',
    '*ExternalMetricSource external,omitempty 5',
    '*ContainerResourceMetricSource containerResource,omitempty 7',
  ],
  ObjectMetricSource: [
    'CrossVersionObjectReference target 1',
    'string metricName 2',
    'resource.Quantity targetValue 3',
    '*metav1.LabelSelector selector,omitempty 4',
    '*resource.Quantity averageValue,omitempty 5',
  ],
  PodsMetricSource: ['string metricName 1', 'resource.Quantity targetAverageValue 2', '*metav1.LabelSelector selector,omitempty 3'],
  ResourceMetricSource: [
    'string name 1',
    '*int32 targetAverageUtilization,omitempty 2',
    '*resource.Quantity targetAverageValue,omitempty 3',
  ],
  ContainerResourceMetricSource: [
    'string name 1',
    '*int32 targetAverageUtilization,omitempty 2',
    '*resource.Quantity targetAverageValue,omitempty 3',
    'string container 4',
  ],
  ExternalMetricSource: [
    'string metricName 1',
    '*metav1.LabelSelector metricSelector,omitempty 2',
    '*resource.Quantity targetValue,omitempty 3',
    '*resource.Quantity targetAverageValue,omitempty 4',
  ],
  HorizontalPodAutoscalerStatus: [
    '*int64 observedGeneration,omitempty 1',
    '*metav1.Time lastScaleTime,omitempty 2',
    'int32 currentReplicas 3',
    'int32 desiredReplicas 4',
    '[]MetricStatus currentMetrics 5',
    '[]HorizontalPodAutoscalerCondition conditions,omitempty 6',
  ],
  HorizontalPodAutoscalerCondition: [
    'string type 1',
    'string status 2',
    'metav1.Time lastTransitionTime,omitempty 3',
    'string reason,omitempty 4',
    'string message,omitempty 5',
  ],
  MetricStatus: [
    ...SOURCES,
    '*ObjectMetricStatus object,omitempty 2',
    '*PodsMetricStatus pods,omitempty 3',
    '*ResourceMetricStatus resource,omitempty 4',
    '*ExternalMetricStatus external,omitempty 5',
    '*ContainerResourceMetricStatus containerResource,omitempty 7',
  ],
  ObjectMetricStatus: [
    'CrossVersionObjectReference target 1',
    'string metricName 2',
    'resource.Quantity currentValue 3',
    '*metav1.LabelSelector selector,omitempty 4',
    '*resource.Quantity averageValue,omitempty 5',
  ],
  PodsMetricStatus: ['string metricName 1', 'resource.Quantity currentAverageValue 2', '*metav1.LabelSelector selector,omitempty 3'],
  ResourceMetricStatus: ['string name 1', '*int32 currentAverageUtilization,omitempty 2', 'resource.Quantity currentAverageValue 3'],
  ContainerResourceMetricStatus: [
    'string name 1',
    '*int32 currentAverageUtilization,omitempty 2',
    'resource.Quantity currentAverageValue 3',
    'string container 4',
  ],
  ExternalMetricStatus: [
    'string metricName 1',
    '*metav1.LabelSelector metricSelector,omitempty 2',
    'resource.Quantity currentValue 3',
    '*resource.Quantity currentAverageValue,omitempty 4',
  ],
};

export function autoscalingV2beta1(): GoPackage {
  const types = new Map<string, GoType>();
  const result: GoPackage = {
    path: AUTOSCALING_V2BETA1,
    types,
    constants: new Map(),
    imports: new Map([
      ['metav1', 'k8s.io/apimachinery/pkg/apis/meta/v1'],
      ['resource', 'k8s.io/apimachinery/pkg/api/resource'],
    ]),
  };
  for (const [name, rows] of Object.entries(V2BETA1)) types.set(name, { name, package: result, markers: [], fields: rows.map(fieldOf) });
  return result;
}

/** `v2` under its earlier name, without what came later. */
export function autoscalingV2beta2(v2: GoPackage): GoPackage {
  const types = new Map<string, GoType>();
  const result: GoPackage = { ...v2, path: AUTOSCALING_V2BETA2, types };
  for (const [name, type] of v2.types) {
    const { fields, ...rest } = type;
    const kept = fields?.filter((field) => !(name === 'HPAScalingRules' && field.name === 'Tolerance'));
    types.set(name, { ...rest, package: result, ...(kept ? { fields: kept } : {}) });
  }
  return result;
}
