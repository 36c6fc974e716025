/** The objects of the three metrics APIs that autoscalers and `kubectl top` read. They are answered, never stored. */
import type { LabelSelector, ObjectMeta } from './types.gen.ts';

/** metrics.k8s.io/v1beta1: what the containers of a pod used on average over `window`, which ended at `timestamp`. */
export interface PodMetrics {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  timestamp: string;
  /** A Go duration, `15.02s`. */
  window: string;
  containers: ContainerMetrics[];
}

export interface ContainerMetrics {
  name: string;
  /** Quantities by resource: `{ cpu: '1500u', memory: '9Mi' }`. */
  usage: Record<string, string>;
}

/** metrics.k8s.io/v1beta1: the same of a node. */
export interface NodeMetrics {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
  timestamp: string;
  window: string;
  usage: Record<string, string>;
}

/** custom.metrics.k8s.io: one metric of one object. v1beta1 has `metricName`, v1beta2 `metric`. */
export interface MetricValue {
  describedObject: { kind?: string; namespace?: string; name?: string; apiVersion?: string };
  metric?: { name: string; selector?: LabelSelector };
  metricName?: string;
  timestamp: string;
  windowSeconds?: number;
  value: string;
}

/** external.metrics.k8s.io/v1beta1: one series of a metric that belongs to no object. */
export interface ExternalMetricValue {
  metricName: string;
  metricLabels: Record<string, string> | null;
  timestamp: string;
  window?: number;
  value: string;
}
