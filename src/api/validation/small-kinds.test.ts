import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { GOOD, ready, resource } from './good-objects.fixture.ts';
import { validateCreate, validateUpdate } from './validate.ts';

interface Case {
  resource: string;
  name: string;
  change: Record<string, unknown>;
  told: string[];
  /** The change is made to an object that exists. */
  update?: true;
}

const LEASE = 'coordination.k8s.io/v1/leases';
const CLASS = 'networking.k8s.io/v1/ingressclasses';
const RUNTIME = 'node.k8s.io/v1/runtimeclasses';
const REVISION = 'apps/v1/controllerrevisions';
const HPA = 'autoscaling/v2/horizontalpodautoscalers';
const JOB = 'batch/v1/jobs';
const CASES: Case[] = [
  {
    resource: LEASE,
    name: 'a lease lasts',
    change: { spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } },
    told: [
      'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
      'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    ],
  },
  {
    resource: CLASS,
    name: 'a controller has a domain',
    change: { spec: { controller: 'nginx' } },
    told: ['spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")'],
  },
  {
    resource: CLASS,
    name: 'parameters of a namespace name it',
    change: { spec: { parameters: { kind: 'Config', name: 'c', scope: 'Namespace' } } },
    told: ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
  },
  {
    resource: CLASS,
    name: 'the controller stays',
    update: true,
    change: { spec: { controller: 'example.com/other' } },
    told: ['spec.controller: Invalid value: "example.com/other": field is immutable'],
  },
  {
    resource: RUNTIME,
    name: 'the handler stays',
    update: true,
    change: { handler: 'other' },
    told: ['handler: Invalid value: "other": field is immutable'],
  },
  {
    resource: RUNTIME,
    name: 'overhead is not negative',
    change: { overhead: { podFixed: { cpu: '-1' } } },
    told: ['overhead.podFixed[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
  },
  {
    resource: REVISION,
    name: 'its data stays',
    update: true,
    change: { data: { a: 2 } },
    told: ['data: Invalid value: {"a":2}: field is immutable'],
  },
  {
    resource: REVISION,
    name: 'its number',
    change: { revision: -1 },
    told: ['revision: Invalid value: -1: must be greater than or equal to 0'],
  },
  {
    resource: '/v1/events',
    name: 'an event is where its object is',
    change: { involvedObject: { namespace: 'other' } },
    told: ['involvedObject.namespace: Invalid value: "other": does not match event.namespace'],
  },
  {
    resource: HPA,
    name: 'a metric fills its own source',
    change: {
      spec: { metrics: [{ type: 'Resource', pods: { metric: { name: 'x' }, target: { type: 'AverageValue', averageValue: '1' } } }] },
    },
    told: [
      'spec.metrics[0].resource: Required value: must populate information for the given metric source',
      'spec.metrics[0].pods: Forbidden: must populate the given metric source only',
    ],
  },
  {
    resource: HPA,
    name: 'a resource has one target',
    change: { spec: { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] } },
    told: [
      'spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization',
    ],
  },
  {
    resource: HPA,
    name: 'behaviour within bounds',
    change: {
      spec: { behavior: { scaleUp: { stabilizationWindowSeconds: 4000, policies: [{ type: 'Pods', value: 0, periodSeconds: 9000 }] } } },
    },
    told: [
      'spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 4000: must be less than or equal to 3600',
      'spec.behavior.scaleUp.policies[0].value: Invalid value: 0: must be greater than zero',
      'spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 9000: must be less than or equal to 1800',
    ],
  },
  {
    resource: JOB,
    name: 'limits of indexes need indexes',
    change: { spec: { backoffLimitPerIndex: 1 } },
    told: ['spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
  },
  {
    resource: JOB,
    name: 'a failure policy says on what',
    change: { spec: { podFailurePolicy: { rules: [{ action: 'FailJob' }] } } },
    told: ['spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required'],
  },
  {
    resource: JOB,
    name: 'exit codes in order, without 0',
    change: { spec: { podFailurePolicy: { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [2, 0] } }] } } },
    told: [
      'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator',
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,0]: must be ordered',
    ],
  },
  {
    resource: JOB,
    name: 'a success policy counts indexes',
    change: { spec: { successPolicy: { rules: [{}] }, completionMode: 'Indexed', completions: 1 } },
    told: ['spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified'],
  },
];

describe('kinds with few rules', () => {
  for (const { resource: name, name: what, change, told, update } of CASES) {
    test(`${name}: ${what}`, () => {
      const info = resource(name);
      const old = ready(info, GOOD[name]!);
      const next = update ? applyMergePatch(old, change) : ready(info, applyMergePatch(GOOD[name]!, change));
      const found = update ? validateUpdate(info, next, old) : validateCreate(info, next);
      assert.deepEqual(
        found.map(({ field, message }) => `${field}: ${message}`),
        told,
      );
    });
  }
});
