/** HorizontalPodAutoscalers, in the form of autoscaling/v2: that is how they are stored, whatever version they came in. */
import { compareQuantities } from '../codec/quantity.ts';
import type {
  V2CrossVersionObjectReference,
  V2HorizontalPodAutoscaler,
  V2HPAScalingPolicy,
  V2HPAScalingRules,
  V2MetricSpec,
  V2MetricTarget,
} from '../types.gen.ts';
import { pathSegmentProblems } from './names.ts';
import type { Problems } from './problems.ts';
import { checkQuantity } from './resources.ts';

const MAX_STABILIZATION_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;

export function checkHorizontalPodAutoscaler(problems: Problems, { spec }: V2HorizontalPodAutoscaler): void {
  if (!spec) return problems.required('spec');
  const { minReplicas, maxReplicas, scaleTargetRef, metrics = [], behavior } = spec;
  if (minReplicas !== undefined && minReplicas < 1) problems.invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1');
  if (maxReplicas < 1) problems.invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0');
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    problems.invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
  checkReference(problems, 'spec.scaleTargetRef', scaleTargetRef);
  for (const [index, metric] of metrics.entries()) checkMetric(problems, `spec.metrics[${index}]`, metric);
  if (behavior?.scaleUp) checkRules(problems, 'spec.behavior.scaleUp', behavior.scaleUp);
  if (behavior?.scaleDown) checkRules(problems, 'spec.behavior.scaleDown', behavior.scaleDown);
}

function checkReference(problems: Problems, path: string, reference: V2CrossVersionObjectReference | undefined): void {
  for (const field of ['kind', 'name'] as const) {
    const value = reference?.[field];
    if (!value) problems.required(`${path}.${field}`);
    else problems.invalidEach(`${path}.${field}`, value, pathSegmentProblems(value));
  }
}

const SOURCES: Readonly<Record<string, 'containerResource' | 'external' | 'object' | 'pods' | 'resource'>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};

/** A metric fills the source that its type names, and no other. */
function checkMetric(problems: Problems, path: string, metric: V2MetricSpec): void {
  if (!metric.type) problems.required(`${path}.type`, 'must specify a metric source type');
  const wanted = SOURCES[metric.type];
  if (!wanted) return problems.unsupported(`${path}.type`, metric.type, Object.keys(SOURCES));
  const given = Object.values(SOURCES).filter((source) => metric[source]);
  if (given[0]) checkSource(problems, `${path}.${given[0]}`, metric);
  if (!given.includes(wanted)) problems.required(`${path}.${wanted}`, 'must populate information for the given metric source');
  for (const source of given) if (source !== wanted) problems.forbidden(`${path}.${source}`, 'must populate the given metric source only');
}

function checkSource(problems: Problems, path: string, metric: V2MetricSpec): void {
  const { object, external, pods, resource, containerResource } = metric;
  if (object) checkReference(problems, `${path}.describedObject`, object.describedObject);
  const named = object ?? external ?? pods;
  if (named) {
    const name = named.metric?.name;
    if (!name) problems.required(`${path}.metric.name`, 'must specify a metric name');
    else problems.invalidEach(`${path}.metric.name`, name, pathSegmentProblems(name));
    checkTarget(problems, `${path}.target`, named.target);
    checkNamedTarget(problems, `${path}.target`, named.target, pods ? 'pods' : external ? 'external' : 'object');
  }
  const amount = resource ?? containerResource;
  if (!amount) return;
  if (containerResource && !containerResource.container) problems.required(`${path}.container`, 'must specify a container');
  if (!amount.name) problems.required(`${path}.name`, 'must specify a resource name');
  checkTarget(problems, `${path}.target`, amount.target);
  checkAmountTarget(problems, `${path}.target`, amount.target);
}

function checkTarget(problems: Problems, path: string, target: V2MetricTarget | undefined): void {
  if (!target?.type) return problems.required(`${path}.type`, 'must specify a metric target type');
  if (!['Utilization', 'Value', 'AverageValue'].includes(target.type))
    problems.invalid(`${path}.type`, target.type, 'must be either Utilization, Value, or AverageValue');
  for (const field of ['value', 'averageValue'] as const) {
    const value = target[field];
    if (value !== undefined && compareQuantities(value, '0') <= 0) problems.invalid(`${path}.${field}`, value, 'must be positive');
  }
  if (target.averageUtilization !== undefined && target.averageUtilization < 1)
    problems.invalid(`${path}.averageUtilization`, target.averageUtilization, 'must be greater than 0');
}

function checkNamedTarget(
  problems: Problems,
  path: string,
  target: V2MetricTarget | undefined,
  source: 'pods' | 'external' | 'object',
): void {
  const { value, averageValue } = target ?? {};
  if (source === 'pods') {
    if (averageValue === undefined || compareQuantities(averageValue, '0') <= 0)
      problems.required(`${path}.averageValue`, 'must specify a positive target averageValue');
  } else if (value === undefined && averageValue === undefined)
    problems.required(`${path}.averageValue`, 'must set either a target value for metric or a per-pod target');
  else if (source === 'external' && value !== undefined && averageValue !== undefined)
    problems.forbidden(`${path}.value`, 'may not set both a target value for metric and a per-pod target');
}

function checkAmountTarget(problems: Problems, path: string, target: V2MetricTarget | undefined): void {
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined)
    problems.required(`${path}.averageUtilization`, 'must set either a target raw value or a target utilization');
  if (averageUtilization !== undefined && averageValue !== undefined)
    problems.forbidden(`${path}.averageValue`, 'may not set both a target raw value and a target utilization');
}

function checkRules(problems: Problems, path: string, rules: V2HPAScalingRules): void {
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [], tolerance } = rules;
  if (seconds !== undefined && seconds < 0)
    problems.invalid(`${path}.stabilizationWindowSeconds`, seconds, 'must be greater than or equal to zero');
  if (seconds !== undefined && seconds > MAX_STABILIZATION_SECONDS)
    problems.invalid(`${path}.stabilizationWindowSeconds`, seconds, `must be less than or equal to ${MAX_STABILIZATION_SECONDS}`);
  if (selectPolicy !== undefined && !['Disabled', 'Max', 'Min'].includes(selectPolicy))
    problems.unsupported(`${path}.selectPolicy`, selectPolicy, ['Disabled', 'Max', 'Min']);
  if (policies.length === 0) problems.required(`${path}.policies`, 'must specify at least one Policy');
  for (const [index, policy] of policies.entries()) checkPolicy(problems, `${path}.policies[${index}]`, policy);
  if (tolerance !== undefined) checkQuantity(problems, `${path}.tolerance`, tolerance);
}

function checkPolicy(problems: Problems, path: string, { type, value, periodSeconds }: V2HPAScalingPolicy): void {
  if (type !== 'Percent' && type !== 'Pods') problems.unsupported(`${path}.type`, type, ['Percent', 'Pods']);
  if (value <= 0) problems.invalid(`${path}.value`, value, 'must be greater than zero');
  if (periodSeconds <= 0) problems.invalid(`${path}.periodSeconds`, periodSeconds, 'must be greater than zero');
  if (periodSeconds > MAX_PERIOD_SECONDS)
    problems.invalid(`${path}.periodSeconds`, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`);
}
