/** The default flow-control objects, as upstream creates them. They are data here: requests are limited by the number in flight. */
import type {
  FlowSchema,
  FlowcontrolV1Subject,
  PolicyRulesWithSubjects,
  PriorityLevelConfiguration,
  ResourcePolicyRule,
} from '../../api/types.gen.ts';

const API_VERSION = 'flowcontrol.apiserver.k8s.io/v1';
const AUTOUPDATE = { 'apf.kubernetes.io/autoupdate-spec': 'true' };

export function priorityLevels(): PriorityLevelConfiguration[] {
  const level = (name: string, spec: PriorityLevelConfiguration['spec']): PriorityLevelConfiguration => ({
    apiVersion: API_VERSION,
    kind: 'PriorityLevelConfiguration',
    metadata: { name, annotations: AUTOUPDATE },
    spec,
  });
  const queued = (
    name: string,
    nominalConcurrencyShares: number,
    lendablePercent: number,
    queues: number,
    handSize: number,
  ): PriorityLevelConfiguration =>
    level(name, {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares,
        lendablePercent,
        limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 50 } },
      },
    });
  return [
    level('exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } }),
    level('catch-all', {
      type: 'Limited',
      limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: 'Reject' } },
    }),
    queued('system', 30, 33, 64, 6),
    queued('node-high', 40, 25, 64, 6),
    queued('leader-election', 10, 0, 16, 4),
    queued('workload-high', 40, 50, 128, 6),
    queued('workload-low', 100, 90, 128, 6),
    queued('global-default', 20, 50, 128, 6),
  ];
}

export function flowSchemas(): FlowSchema[] {
  const everyone = [group('system:unauthenticated'), group('system:authenticated')];
  const leases = resources('coordination.k8s.io', ['leases'], ['get', 'create', 'update']);
  return [
    flow('exempt', 1, 'exempt', undefined, rules([group('system:masters')], [EVERY_RESOURCE], ['*'])),
    flow('probes', 2, 'exempt', undefined, rules(everyone, [], ['/healthz', '/readyz', '/livez'], ['get'])),
    flow(
      'system-leader-election',
      100,
      'leader-election',
      'ByUser',
      rules([user('system:kube-controller-manager'), user('system:kube-scheduler'), account('*')], [leases]),
    ),
    flow(
      'endpoint-controller',
      150,
      'workload-high',
      'ByUser',
      rules(
        [user('system:kube-controller-manager'), account('endpoint-controller'), account('endpointslicemirroring-controller')],
        [resources('', ['endpoints'], ['get', 'create', 'update'])],
      ),
    ),
    flow('workload-leader-election', 200, 'leader-election', 'ByUser', rules([account('*')], [leases])),
    flow(
      'system-node-high',
      400,
      'node-high',
      'ByUser',
      rules(
        [group('system:nodes')],
        [{ ...resources('', ['nodes', 'nodes/status'], ['*']), clusterScope: true }, resources('coordination.k8s.io', ['leases'], ['*'])],
      ),
    ),
    flow('system-nodes', 500, 'system', 'ByUser', rules([group('system:nodes')], [EVERY_RESOURCE], ['*'])),
    flow(
      'kube-controller-manager',
      800,
      'workload-high',
      'ByNamespace',
      rules([user('system:kube-controller-manager')], [EVERY_RESOURCE], ['*']),
    ),
    flow('kube-scheduler', 800, 'workload-high', 'ByNamespace', rules([user('system:kube-scheduler')], [EVERY_RESOURCE], ['*'])),
    flow('kube-system-service-accounts', 900, 'workload-high', 'ByNamespace', rules([account('*')], [EVERY_RESOURCE], ['*'])),
    flow('service-accounts', 9000, 'workload-low', 'ByUser', rules([group('system:serviceaccounts')], [EVERY_RESOURCE], ['*'])),
    flow('global-default', 9900, 'global-default', 'ByUser', rules(everyone, [EVERY_RESOURCE], ['*'])),
    flow('catch-all', 10_000, 'catch-all', 'ByUser', rules(everyone, [EVERY_RESOURCE], ['*'])),
  ];
}

const resources = (apiGroup: string, names: string[], verbs: string[]): ResourcePolicyRule => ({
  apiGroups: [apiGroup],
  resources: names,
  verbs,
  namespaces: ['*'],
});
const EVERY_RESOURCE: ResourcePolicyRule = { apiGroups: ['*'], resources: ['*'], verbs: ['*'], clusterScope: true, namespaces: ['*'] };

const group = (name: string): FlowcontrolV1Subject => ({ kind: 'Group', group: { name } });
const user = (name: string): FlowcontrolV1Subject => ({ kind: 'User', user: { name } });
const account = (name: string): FlowcontrolV1Subject => ({ kind: 'ServiceAccount', serviceAccount: { name, namespace: 'kube-system' } });

function rules(
  subjects: FlowcontrolV1Subject[],
  resourceRules: ResourcePolicyRule[],
  urls: string[] = [],
  urlVerbs: string[] = ['*'],
): PolicyRulesWithSubjects {
  return {
    subjects,
    ...(resourceRules.length > 0 ? { resourceRules } : {}),
    ...(urls.length > 0 ? { nonResourceRules: [{ nonResourceURLs: urls, verbs: urlVerbs }] } : {}),
  };
}

function flow(
  name: string,
  matchingPrecedence: number,
  level: string,
  distinguisher: string | undefined,
  rule: PolicyRulesWithSubjects,
): FlowSchema {
  return {
    apiVersion: API_VERSION,
    kind: 'FlowSchema',
    metadata: { name, annotations: AUTOUPDATE },
    spec: {
      matchingPrecedence,
      priorityLevelConfiguration: { name: level },
      ...(distinguisher ? { distinguisherMethod: { type: distinguisher } } : {}),
      rules: [rule],
    },
  };
}
