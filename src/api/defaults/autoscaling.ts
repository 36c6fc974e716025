/** Defaults of HorizontalPodAutoscalers. */
import type {
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
  V2HPAScalingPolicy as HPAScalingPolicy,
  V2HPAScalingRules as HPAScalingRules,
} from '../types.gen.ts';

const UTILIZATION_PERCENT = 80;

export function defaultHorizontalPodAutoscalerV1({ spec }: HorizontalPodAutoscaler): void {
  if (spec) spec.minReplicas ??= 1;
}

export function defaultHorizontalPodAutoscaler({ spec }: V2HorizontalPodAutoscaler): void {
  if (!spec) return;
  spec.minReplicas ??= 1;
  if (!spec.metrics?.length) {
    spec.metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: UTILIZATION_PERCENT } } },
    ];
  }
  const { behavior } = spec;
  if (!behavior) return;
  const percent: HPAScalingPolicy = { type: 'Percent', value: 100, periodSeconds: 15 };
  const pods: HPAScalingPolicy = { type: 'Pods', value: 4, periodSeconds: 15 };
  behavior.scaleUp = withRules(behavior.scaleUp, { stabilizationWindowSeconds: 0, policies: [pods, percent] });
  behavior.scaleDown = withRules(behavior.scaleDown, { policies: [percent] });
}

function withRules(given: HPAScalingRules | undefined, defaults: HPAScalingRules): HPAScalingRules {
  return { selectPolicy: 'Max', ...defaults, ...given, policies: given?.policies?.length ? given.policies : defaults.policies! };
}
