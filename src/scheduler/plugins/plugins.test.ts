import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { labelSelectorOfMap } from '../../api/selectors.ts';
import type { Node, NodeSpec, Pod, PodSpec } from '../../api/types.gen.ts';
import type { SchedulingPlugin } from '../framework.ts';
import { ClusterState } from '../cluster-state.ts';
import { podInfo } from '../snapshot.ts';
import { balancedAllocation } from './balanced-allocation.ts';
import { imageLocality } from './image-locality.ts';
import { interPodAffinity } from './inter-pod-affinity.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { podTopologySpread } from './pod-topology-spread.ts';
import { taintToleration } from './taint-toleration.ts';

interface NodeSketch {
  labels?: Record<string, string>;
  spec?: NodeSpec;
  cpu?: string;
  memory?: string;
  pods?: string;
  images?: { names: string[]; sizeBytes: number }[];
  /** Further resources. */
  more?: Record<string, string>;
}

const HOST = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';

function makeNode(name: string, { labels, spec = {}, cpu = '4', memory = '8Gi', pods = '110', images, more }: NodeSketch): Node {
  return {
    metadata: { name, labels: { [HOST]: name, ...labels } },
    spec,
    status: { allocatable: { cpu, memory, pods, ...more }, ...(images ? { images } : {}) },
  };
}

let serial = 0;
function makePod(spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}, cpu = '0'): Pod {
  return {
    metadata: { name: `pod-${serial++}`, namespace: 'default', labels },
    spec: { containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu } } }], ...spec },
  };
}

/** Nodes with the pods that stand on them. */
function cluster(nodes: Record<string, NodeSketch>, placed: Record<string, Pod[]> = {}): ClusterState {
  const state = new ClusterState();
  for (const [name, sketch] of Object.entries(nodes)) state.setNode(makeNode(name, sketch));
  for (const [name, pods] of Object.entries(placed))
    for (const pod of pods) state.place(podInfo({ ...pod, spec: { ...pod.spec!, nodeName: name } }), name);
  return state;
}

/** The nodes that pass the filter. */
function passing(plugin: SchedulingPlugin, pod: Pod, state: ClusterState): string[] {
  const cycle = plugin.begin(podInfo(pod), state);
  return state.nodes
    .filter((node) => !cycle?.filter?.(node))
    .map(({ name }) => name)
    .toSorted();
}

/** Normalised scores by node. */
function scores(plugin: SchedulingPlugin, pod: Pod, state: ClusterState): Record<string, number> {
  const cycle = plugin.begin(podInfo(pod), state);
  cycle?.preScore?.(state.nodes);
  const values = Float64Array.from(state.nodes, (node) => cycle?.score?.(node) ?? 0);
  cycle?.normalise?.(values, state.nodes);
  return Object.fromEntries(state.nodes.map((node, index) => [node.name, values[index]!]));
}

const app = { app: 'web' };
const spread = (topologyKey: string, maxSkew: number, whenUnsatisfiable: string) => ({
  topologySpreadConstraints: [{ topologyKey, maxSkew, whenUnsatisfiable, labelSelector: { matchLabels: app } }],
});
const term = (topologyKey: string) => ({ topologyKey, labelSelector: { matchLabels: app } });

describe('filters', () => {
  const cases: { name: string; plugin: SchedulingPlugin; pod: Pod; state: ClusterState; expected: string[] }[] = [
    {
      name: 'NodeName: only the named node',
      plugin: nodeName,
      pod: makePod({ nodeName: 'b' }),
      state: cluster({ a: {}, b: {} }),
      expected: ['b'],
    },
    {
      name: 'NodeUnschedulable: not the cordoned one',
      plugin: nodeUnschedulable,
      pod: makePod(),
      state: cluster({ a: { spec: { unschedulable: true } }, b: {} }),
      expected: ['b'],
    },
    {
      name: 'NodeUnschedulable: a pod that tolerates it',
      plugin: nodeUnschedulable,
      pod: makePod({ tolerations: [{ operator: 'Exists' }] }),
      state: cluster({ a: { spec: { unschedulable: true } } }),
      expected: ['a'],
    },
    {
      name: 'TaintToleration: value, effect and key must match',
      plugin: taintToleration,
      pod: makePod({ tolerations: [{ key: 'team', value: 'red', effect: 'NoSchedule' }] }),
      state: cluster({
        red: { spec: { taints: [{ key: 'team', value: 'red', effect: 'NoSchedule' }] } },
        blue: { spec: { taints: [{ key: 'team', value: 'blue', effect: 'NoSchedule' }] } },
        execute: { spec: { taints: [{ key: 'team', value: 'red', effect: 'NoExecute' }] } },
        soft: { spec: { taints: [{ key: 'other', effect: 'PreferNoSchedule' }] } },
      }),
      expected: ['red', 'soft'],
    },
    {
      name: 'NodeAffinity: nodeSelector',
      plugin: nodeAffinity(),
      pod: makePod({ nodeSelector: { disk: 'ssd' } }),
      state: cluster({ a: { labels: { disk: 'ssd' } }, b: {} }),
      expected: ['a'],
    },
    {
      name: 'NodeAffinity: terms are alternatives, expressions all hold',
      plugin: nodeAffinity(),
      pod: makePod({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [
                    { key: 'cores', operator: 'Gt', values: ['4'] },
                    { key: 'old', operator: 'DoesNotExist' },
                  ],
                },
                { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['c'] }] },
              ],
            },
          },
        },
      }),
      state: cluster({ a: { labels: { cores: '8' } }, b: { labels: { cores: '8', old: '' } }, c: {}, d: { labels: { cores: '4' } } }),
      expected: ['a', 'c'],
    },
    {
      name: 'NodePorts: a port is taken once per address',
      plugin: nodePorts,
      pod: makePod({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80, hostIP: '10.0.0.1' }] }] }),
      state: cluster(
        { a: {}, b: {}, c: {} },
        {
          a: [makePod({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80 }] }] })],
          b: [makePod({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80, hostIP: '10.0.0.2' }] }] })],
          c: [makePod({ containers: [{ name: 'c', ports: [{ containerPort: 80, hostPort: 80, protocol: 'UDP' }] }] })],
        },
      ),
      expected: ['b', 'c'],
    },
    {
      name: 'NodeResourcesFit: requests of all pods, and the number of pods',
      plugin: nodeResourcesFit(),
      pod: makePod({}, {}, '2'),
      state: cluster(
        { roomy: {}, full: {}, small: { cpu: '1' }, crowded: { pods: '1' } },
        { full: [makePod({}, {}, '3')], crowded: [makePod()] },
      ),
      expected: ['roomy'],
    },
    {
      name: 'NodeResourcesFit: the worst moment of init containers counts',
      plugin: nodeResourcesFit(),
      pod: makePod({
        initContainers: [
          { name: 'side', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
          { name: 'heavy', resources: { requests: { cpu: '3' } } },
        ],
      }),
      state: cluster({ four: { cpu: '4' }, three: { cpu: '3' } }),
      expected: ['four'],
    },
    {
      name: 'InterPodAffinity: beside its kind, in the same zone',
      plugin: interPodAffinity(() => ({})),
      pod: makePod({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(ZONE)] } } }),
      state: cluster(
        { a: { labels: { [ZONE]: 'x' } }, b: { labels: { [ZONE]: 'x' } }, c: { labels: { [ZONE]: 'y' } } },
        { a: [makePod({}, app)] },
      ),
      expected: ['a', 'b'],
    },
    {
      name: 'InterPodAffinity: the first of its kind may go anywhere',
      plugin: interPodAffinity(() => ({})),
      pod: makePod({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(HOST)] } } }, app),
      state: cluster({ a: {}, b: {} }),
      expected: ['a', 'b'],
    },
    {
      name: 'InterPodAffinity: apart from its kind',
      plugin: interPodAffinity(() => ({})),
      pod: makePod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(HOST)] } } }),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, app)] }),
      expected: ['b'],
    },
    {
      name: 'InterPodAffinity: not beside one that wants to be apart',
      plugin: interPodAffinity(() => ({})),
      pod: makePod({}, app),
      state: cluster(
        { a: {}, b: {} },
        { a: [makePod({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(HOST)] } } })] },
      ),
      expected: ['b'],
    },
    {
      name: 'PodTopologySpread: a default constraint of the profile, for the workload',
      plugin: podTopologySpread(() => labelSelectorOfMap(app), {
        defaultingType: 'List',
        defaultConstraints: [{ topologyKey: HOST, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule' }],
      }),
      pod: makePod({}, app),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, app)] }),
      expected: ['b'],
    },
    {
      name: 'PodTopologySpread: fewer domains than minDomains count as one that is empty',
      plugin: podTopologySpread(() => undefined),
      pod: makePod(
        {
          topologySpreadConstraints: [
            { topologyKey: HOST, maxSkew: 1, minDomains: 3, whenUnsatisfiable: 'DoNotSchedule', labelSelector: { matchLabels: app } },
          ],
        },
        app,
      ),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, app)], b: [makePod({}, app)] }),
      expected: [],
    },
    {
      name: 'PodTopologySpread: nodes that the pod cannot use do not count, unless the policy says so',
      plugin: podTopologySpread(() => undefined),
      pod: makePod(
        {
          nodeSelector: { pool: 'x' },
          topologySpreadConstraints: [
            {
              topologyKey: ZONE,
              maxSkew: 1,
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: app },
              nodeTaintsPolicy: 'Honor',
            },
          ],
        },
        app,
      ),
      state: cluster(
        {
          a: { labels: { [ZONE]: 'a', pool: 'x' } },
          tainted: { labels: { [ZONE]: 'b', pool: 'x' }, spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } },
          other: { labels: { [ZONE]: 'c' } },
        },
        { a: [makePod({}, app)] },
      ),
      // With the empty zones b and c counted the skew would be two.
      expected: ['a', 'other', 'tainted'],
    },
    {
      name: 'PodTopologySpread: matchLabelKeys keep revisions apart',
      plugin: podTopologySpread(() => undefined),
      pod: makePod(
        {
          topologySpreadConstraints: [
            {
              topologyKey: HOST,
              maxSkew: 1,
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: app },
              matchLabelKeys: ['rev'],
            },
          ],
        },
        { ...app, rev: '2' },
      ),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, { ...app, rev: '1' }), makePod({}, { ...app, rev: '1' })] }),
      expected: ['a', 'b'],
    },
    {
      name: 'PodTopologySpread: no zone more than one ahead',
      plugin: podTopologySpread(() => undefined),
      pod: makePod(spread(ZONE, 1, 'DoNotSchedule'), app),
      state: cluster(
        { a: { labels: { [ZONE]: 'x' } }, b: { labels: { [ZONE]: 'x' } }, c: { labels: { [ZONE]: 'y' } }, d: {} },
        { a: [makePod({}, app)] },
      ),
      expected: ['c'],
    },
  ];
  for (const { name, plugin, pod, state, expected } of cases) it(name, () => assert.deepEqual(passing(plugin, pod, state), expected));
});

describe('scores', () => {
  const cases: { name: string; plugin: SchedulingPlugin; pod: Pod; state: ClusterState; expected: Record<string, number> }[] = [
    {
      name: 'LeastAllocated: the emptier the better',
      plugin: nodeResourcesFit(),
      pod: makePod({}, {}, '1'),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, {}, '2')] }),
      expected: { a: 60, b: 86 },
    },
    {
      name: 'MostAllocated: the fuller the better',
      plugin: nodeResourcesFit({ scoringStrategy: { type: 'MostAllocated' } }),
      pod: makePod({}, {}, '1'),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, {}, '2')] }),
      expected: { a: 39, b: 13 },
    },
    {
      name: 'RequestedToCapacityRatio: along the shape, by weights',
      plugin: nodeResourcesFit({
        scoringStrategy: {
          type: 'RequestedToCapacityRatio',
          resources: [
            { name: 'example.com/gpu', weight: 3 },
            { name: 'cpu', weight: 1 },
          ],
          requestedToCapacityRatio: {
            shape: [
              { utilization: 0, score: 0 },
              { utilization: 100, score: 10 },
            ],
          },
        },
      }),
      pod: makePod({}, {}, '1'),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, {}, '2')] }),
      expected: { a: 75, b: 25 },
    },
    {
      name: 'LeastAllocated: extended resources count for pods that ask for them',
      plugin: nodeResourcesFit({ scoringStrategy: { type: 'LeastAllocated', resources: [{ name: 'example.com/gpu', weight: 1 }] } }),
      pod: makePod({ containers: [{ name: 'c', resources: { requests: { 'example.com/gpu': '1' } } }] }),
      state: cluster({ a: { more: { 'example.com/gpu': '4' } }, b: { more: { 'example.com/gpu': '2' } } }),
      expected: { a: 75, b: 50 },
    },
    {
      name: 'NodeAffinity: added by the profile',
      plugin: nodeAffinity({
        addedAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, preference: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } },
          ],
        },
      }),
      pod: makePod(),
      state: cluster({ a: { labels: { x: '' } }, b: {} }),
      expected: { a: 100, b: 0 },
    },
    {
      name: 'InterPodAffinity: beside one that requires it, by hardPodAffinityWeight',
      plugin: interPodAffinity(() => ({}), { hardPodAffinityWeight: 50 }),
      pod: makePod({}, app),
      state: cluster(
        { a: {}, b: {} },
        { a: [makePod({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term(HOST)] } } }, app)] },
      ),
      expected: { a: 100, b: 0 },
    },
    {
      name: 'InterPodAffinity: wishes of others ignored',
      plugin: interPodAffinity(() => ({}), { ignorePreferredTermsOfExistingPods: true }),
      pod: makePod({}, app),
      state: cluster(
        { a: {}, b: {} },
        {
          a: [
            makePod({
              affinity: { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 9, podAffinityTerm: term(HOST) }] } },
            }),
          ],
        },
      ),
      expected: { a: 0, b: 0 },
    },
    {
      name: 'BalancedAllocation: like shares',
      plugin: balancedAllocation(),
      pod: makePod({}, {}, '2'),
      state: cluster({ a: { cpu: '4' }, b: { cpu: '2' } }),
      expected: { a: 75, b: 50 },
    },
    {
      name: 'TaintToleration: fewer soft taints',
      plugin: taintToleration,
      pod: makePod(),
      state: cluster({ a: { spec: { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] } }, b: {} }),
      expected: { a: 0, b: 100 },
    },
    {
      name: 'NodeAffinity: preferred terms by weight',
      plugin: nodeAffinity(),
      pod: makePod({
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 20, preference: { matchExpressions: [{ key: 'x', operator: 'Exists' }] } },
              { weight: 10, preference: { matchExpressions: [{ key: 'y', operator: 'Exists' }] } },
            ],
          },
        },
      }),
      state: cluster({ a: { labels: { x: '' } }, b: { labels: { y: '' } }, c: {} }),
      expected: { a: 100, b: 50, c: 0 },
    },
    {
      name: 'InterPodAffinity: preferred beside and apart',
      plugin: interPodAffinity(() => ({})),
      pod: makePod({
        affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, podAffinityTerm: term(HOST) }] } },
      }),
      state: cluster({ a: {}, b: {} }, { a: [makePod({}, app)] }),
      expected: { a: 0, b: 100 },
    },
    {
      name: 'ImageLocality: half of the nodes have the image',
      plugin: imageLocality,
      pod: makePod(),
      state: cluster({ a: { images: [{ names: ['nginx:latest'], sizeBytes: 2_000_000_000 }] }, b: {} }),
      expected: { a: 95, b: 0 },
    },
  ];
  for (const { name, plugin, pod, state, expected } of cases) it(name, () => assert.deepEqual(scores(plugin, pod, state), expected));

  it('PodTopologySpread: by default pods of a workload go where fewer of them are', () => {
    const plugin = podTopologySpread(() => labelSelectorOfMap(app));
    const result = scores(plugin, makePod({}, app), cluster({ a: {}, b: {} }, { a: [makePod({}, app), makePod({}, app)] }));
    assert.ok(result['b']! > result['a']!, JSON.stringify(result));
  });
});
