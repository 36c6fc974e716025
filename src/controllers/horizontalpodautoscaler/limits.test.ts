import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { V2HPAScalingRules, V2HorizontalPodAutoscalerBehavior } from '../../api/types.gen.ts';
import { ScalingHistory } from './history.ts';
import { limit } from './limits.ts';

/** At a second of the story the metrics ask for `wish`; what comes of it, and why. */
type Step = [second: number, wish: number, replicas: number, able: string, limited: string];

interface Story {
  from: number;
  min?: number;
  max?: number;
  behavior?: V2HorizontalPodAutoscalerBehavior;
  steps: Step[];
}

const rules = (given: V2HPAScalingRules): V2HPAScalingRules => ({
  selectPolicy: 'Max',
  stabilizationWindowSeconds: 0,
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
  ...given,
});
const both = (given: { up?: V2HPAScalingRules; down?: V2HPAScalingRules }): V2HorizontalPodAutoscalerBehavior => ({
  scaleUp: rules(given.up ?? {}),
  scaleDown: rules(given.down ?? {}),
});

const STORIES: Record<string, Story> = {
  'without behavior it doubles, or goes to four': {
    from: 1,
    max: 20,
    steps: [
      [0, 10, 4, 'ReadyForNewScale', 'ScaleUpLimit True'],
      [15, 10, 8, 'ReadyForNewScale', 'ScaleUpLimit True'],
      [30, 10, 10, 'ReadyForNewScale', 'DesiredWithinRange False'],
      [45, 30, 20, 'ReadyForNewScale', 'TooManyReplicas True'],
    ],
  },
  'without behavior it goes down five minutes after the last wish for more': {
    from: 8,
    steps: [
      [0, 8, 8, 'ReadyForNewScale', 'DesiredWithinRange False'],
      [15, 2, 8, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [290, 3, 8, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [300, 1, 3, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [590, 0, 1, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [900, 0, 1, 'ReadyForNewScale', 'TooFewReplicas True'],
    ],
  },
  'a policy of pods a period': {
    from: 10,
    behavior: both({ down: { policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }] } }),
    steps: [
      [0, 3, 8, 'ReadyForNewScale', 'ScaleDownLimit True'],
      [15, 3, 8, 'ReadyForNewScale', 'ScaleDownLimit True'],
      [60, 3, 6, 'ReadyForNewScale', 'ScaleDownLimit True'],
      [120, 5, 5, 'ReadyForNewScale', 'DesiredWithinRange False'],
    ],
  },
  'what went up makes room to come down': {
    from: 10,
    max: 20,
    behavior: both({ down: { policies: [{ type: 'Pods', value: 2, periodSeconds: 60 }] } }),
    steps: [
      [0, 14, 14, 'ReadyForNewScale', 'DesiredWithinRange False'],
      [15, 3, 8, 'ReadyForNewScale', 'ScaleDownLimit True'],
    ],
  },
  'Max takes the policy that changes most': {
    from: 10,
    max: 50,
    behavior: both({
      up: {
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 60 },
          { type: 'Percent', value: 50, periodSeconds: 60 },
        ],
      },
    }),
    steps: [[0, 40, 15, 'ReadyForNewScale', 'ScaleUpLimit True']],
  },
  'Min takes the policy that changes least': {
    from: 10,
    max: 50,
    behavior: both({
      up: {
        selectPolicy: 'Min',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 60 },
          { type: 'Percent', value: 50, periodSeconds: 60 },
        ],
      },
      down: {
        selectPolicy: 'Min',
        policies: [
          { type: 'Pods', value: 4, periodSeconds: 5 },
          { type: 'Percent', value: 50, periodSeconds: 5 },
        ],
      },
    }),
    steps: [
      [0, 40, 14, 'ReadyForNewScale', 'ScaleUpLimit True'],
      [30, 1, 10, 'ReadyForNewScale', 'ScaleDownLimit True'],
    ],
  },
  'a percentage is rounded up on the way up and down on the way down': {
    from: 5,
    behavior: both({
      up: { policies: [{ type: 'Percent', value: 10, periodSeconds: 15 }] },
      down: { policies: [{ type: 'Percent', value: 10, periodSeconds: 15 }] },
    }),
    steps: [
      [0, 9, 6, 'ReadyForNewScale', 'ScaleUpLimit True'],
      [30, 1, 5, 'ReadyForNewScale', 'ScaleDownLimit True'],
    ],
  },
  'Disabled goes nowhere': {
    from: 5,
    behavior: both({ up: { selectPolicy: 'Disabled' }, down: { selectPolicy: 'Disabled' } }),
    steps: [
      [0, 9, 5, 'ReadyForNewScale', 'ScaleUpLimit True'],
      [15, 2, 5, 'ReadyForNewScale', 'ScaleDownLimit True'],
    ],
  },
  'a window on the way up waits for the lowest wish': {
    from: 2,
    behavior: both({ up: { stabilizationWindowSeconds: 60 } }),
    steps: [
      [0, 2, 2, 'ReadyForNewScale', 'DesiredWithinRange False'],
      [15, 4, 2, 'ScaleUpStabilized', 'DesiredWithinRange False'],
      [30, 4, 2, 'ScaleUpStabilized', 'DesiredWithinRange False'],
      [60, 4, 4, 'ReadyForNewScale', 'DesiredWithinRange False'],
    ],
  },
  'a window on the way down waits for the highest wish': {
    from: 6,
    behavior: both({ down: { stabilizationWindowSeconds: 30 } }),
    steps: [
      [0, 6, 6, 'ReadyForNewScale', 'DesiredWithinRange False'],
      [15, 4, 6, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [30, 2, 4, 'ScaleDownStabilized', 'DesiredWithinRange False'],
      [45, 2, 2, 'ReadyForNewScale', 'DesiredWithinRange False'],
    ],
  },
  'the bounds hold with a behavior too': {
    from: 3,
    min: 2,
    max: 5,
    behavior: both({}),
    steps: [
      [0, 9, 5, 'ReadyForNewScale', 'TooManyReplicas True'],
      [15, 1, 2, 'ReadyForNewScale', 'TooFewReplicas True'],
    ],
  },
};

for (const [name, { from, min = 1, max = 10, behavior, steps }] of Object.entries(STORIES)) {
  test(name, () => {
    const history = new ScalingHistory();
    const start = Date.UTC(2026, 0, 1);
    let current = from;
    history.begin(from, start - 3_600_000);
    const happened: Step[] = [];
    for (const [second, desired] of steps) {
      const now = start + second * 1000;
      const { replicas, conditions } = limit({ current, desired, min, max, behavior }, history, now);
      const [able, limited] = conditions;
      happened.push([second, desired, replicas, able!.reason, `${limited!.reason} ${limited!.status}`]);
      if (behavior && replicas !== current) history.scaled(current, replicas, behavior, now);
      current = replicas;
    }
    assert.deepEqual(happened, steps);
  });
}

test('what was found at the start counts as wished for, once', () => {
  const history = new ScalingHistory();
  history.begin(6, 1_000_000);
  history.begin(9, 1_001_000);
  const wish = { current: 6, desired: 1, min: 1, max: 10, behavior: undefined };
  assert.equal(limit(wish, history, 1_010_000).replicas, 6);
  assert.equal(limit(wish, history, 1_310_000).replicas, 1);
});
