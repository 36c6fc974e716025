import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseSchedulerConfiguration, SchedulerConfigurationError } from './configuration.ts';
import { enabledPlugins } from './enabled.ts';

const HEAD = 'apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n';
const parse = (text: string) => parseSchedulerConfiguration(HEAD + text);

describe('KubeSchedulerConfiguration', () => {
  it('has upstream’s defaults', () => {
    const { leaderElection, profiles, ...rest } = parse('');
    assert.deepEqual(profiles, [{ schedulerName: 'default-scheduler' }]);
    assert.equal(leaderElection.leaseDuration, '15s');
    assert.equal(rest.parallelism, 16);
    assert.deepEqual([rest.podInitialBackoffSeconds, rest.podMaxBackoffSeconds, rest.percentageOfNodesToScore], [1, 10, 0]);
  });

  const wrong: { name: string; text: string; message: RegExp }[] = [
    { name: 'an unknown field', text: 'profiles:\n- schedulername: a', message: /^unknown field "profiles\[0\]\.schedulername"$/ },
    { name: 'a wrong type', text: 'parallelism: many', message: /^parallelism: Invalid value: "many": must be an integer$/ },
    {
      name: 'parallelism',
      text: 'parallelism: 0',
      message: /^parallelism: Invalid value: 0: should be an integer value greater than zero$/,
    },
    {
      name: 'backoff',
      text: 'podMaxBackoffSeconds: 0',
      message: /^podMaxBackoffSeconds: Invalid value: 0: must be greater than or equal to PodInitialBackoffSeconds$/,
    },
    {
      name: 'a share of nodes',
      text: 'percentageOfNodesToScore: 101',
      message: /^percentageOfNodesToScore: Invalid value: 101: not in valid range \[0-100\]$/,
    },
    {
      name: 'a profile without a name',
      text: 'profiles: [{}, {schedulerName: b}]',
      message: /^profiles\[0\]\.schedulerName: Required value$/,
    },
    {
      name: 'two profiles of one name',
      text: 'profiles: [{schedulerName: a}, {schedulerName: a}]',
      message: /^profiles\[1\]\.schedulerName: Duplicate value: "a"$/,
    },
    {
      name: 'an unknown plugin',
      text: 'profiles: [{plugins: {score: {enabled: [{name: Nobody}]}}}]',
      message: /^profiles\[0\]\.plugins\.score\.enabled\[0\]\.name: Invalid value: "Nobody": no such plugin$/,
    },
    {
      name: 'a plugin where it does nothing',
      text: 'profiles: [{plugins: {score: {enabled: [{name: NodeName}]}}}]',
      message: /plugin "NodeName" does not extend score plugin$/,
    },
    {
      name: 'arguments with an unknown field',
      text: 'profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardWeight: 1}}]}]',
      message: /^unknown field "profiles\[0\]\.pluginConfig\[0\]\.args\.hardWeight"$/,
    },
    {
      name: 'arguments out of range',
      text: 'profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: 101}}]}]',
      message: /^profiles\[0\]\.pluginConfig\[0\]\.args\.hardPodAffinityWeight: Invalid value: 101: not in valid range \[0-100\]$/,
    },
    {
      name: 'a shape that falls back',
      text: 'profiles: [{pluginConfig: [{name: NodeResourcesFit, args: {scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 50, score: 1}, {utilization: 50, score: 2}]}}}}]}]',
      message: /shape\[1\]\.utilization: Invalid value: 50: utilization values must be sorted in increasing order$/,
    },
    {
      name: 'default constraints beside the system’s',
      text: 'profiles: [{pluginConfig: [{name: PodTopologySpread, args: {defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}}]}]',
      message: /args\.defaultingType: Invalid value: "System": when \.defaultConstraints are not empty$/,
    },
    {
      name: 'an extender without a weight',
      text: 'extenders: [{urlPrefix: "http://a", prioritizeVerb: p}]',
      message: /^extenders\[0\]\.weight: Invalid value: 0: must have a positive weight applied to it$/,
    },
    {
      name: 'a lease that is too short',
      text: 'leaderElection: {leaseDuration: 5s}',
      message: /LeaseDuration must be greater than RenewDeadline$/,
    },
  ];
  for (const { name, text, message } of wrong)
    it(`names the field of ${name}`, () =>
      assert.throws(
        () => parse(text),
        (error) => error instanceof SchedulerConfigurationError && message.test(error.message),
      ));

  it('says which kind it wants', () => {
    assert.throws(
      () => parseSchedulerConfiguration('apiVersion: v1\nkind: Pod'),
      /^SchedulerConfigurationError: kind: Unsupported value: "Pod"/,
    );
    assert.throws(
      () => parseSchedulerConfiguration('apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration'),
      /apiVersion: Unsupported value: "kubescheduler\.config\.k8s\.io\/v1beta3": supported values: "kubescheduler\.config\.k8s\.io\/v1"/,
    );
  });
});

describe('plugins of a profile', () => {
  const scores = (plugins: Parameters<typeof enabledPlugins>[0]): Record<string, number> =>
    Object.fromEntries(enabledPlugins(plugins).flatMap(({ name, weight }) => (weight > 0 ? [[name, weight]] : [])));
  const DEFAULT = {
    TaintToleration: 3,
    NodeAffinity: 2,
    NodeResourcesFit: 1,
    PodTopologySpread: 2,
    InterPodAffinity: 2,
    DynamicResources: 2,
    NodeResourcesBalancedAllocation: 1,
    ImageLocality: 1,
  };

  it('by default: all, with upstream’s weights', () => assert.deepEqual(scores({}), DEFAULT));

  it('a weight of its own, at one point and everywhere', () => {
    assert.equal(scores({ score: { enabled: [{ name: 'ImageLocality', weight: 7 }] } })['ImageLocality'], 7);
    assert.equal(scores({ multiPoint: { enabled: [{ name: 'ImageLocality', weight: 5 }] } })['ImageLocality'], 5);
  });

  it('none at a point, then some again', () => {
    assert.deepEqual(scores({ score: { disabled: [{ name: '*' }], enabled: [{ name: 'NodeResourcesFit', weight: 4 }] } }), {
      NodeResourcesFit: 4,
    });
  });

  it('none anywhere but what is named', () => {
    const enabled = [{ name: 'NodeResourcesFit' }, { name: 'PrioritySort' }, { name: 'DefaultBinder' }];
    assert.deepEqual(
      enabledPlugins({ multiPoint: { disabled: [{ name: '*' }], enabled } }).map(({ name }) => name),
      ['NodeResourcesFit', 'PrioritySort', 'DefaultBinder'],
    );
  });

  it('a plugin that only filters, or only scores', () => {
    const points = (plugins: Parameters<typeof enabledPlugins>[0]): string[] => [
      ...enabledPlugins(plugins).find(({ name }) => name === 'TaintToleration')!.points,
    ];
    assert.deepEqual(points({ score: { disabled: [{ name: 'TaintToleration' }] } }), ['filter', 'preScore']);
    assert.deepEqual(
      points({ multiPoint: { disabled: [{ name: 'TaintToleration' }] }, score: { enabled: [{ name: 'TaintToleration' }] } }),
      ['score'],
    );
  });
});
