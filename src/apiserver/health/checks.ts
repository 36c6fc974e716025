import type { HealthCheck } from './health.ts';

export interface Checked {
  /** Rejects when the store does not answer. */
  storageAnswers: () => Promise<void>;
  /** Throws until everything that is done at start has been done, and when the server stops. */
  checkReady: () => void;
}

/**
 * What upstream does after its start under these names, as far as we do it: the objects of the store are in memory, default objects are made,
 * what is kept up to date begins to be. Here it is one step, so that they all turn good together.
 */
const START_HOOKS = [
  'start-apiserver-admission-initializer',
  'generic-apiserver-start-informers',
  'priority-and-fairness-config-consumer',
  'start-apiextensions-informers',
  'start-apiextensions-controllers',
  'crd-informer-synced',
  'start-system-namespaces-controller',
  'start-cluster-authentication-info-controller',
  'start-legacy-token-tracking-controller',
  'start-service-ip-repair-controllers',
  'rbac/bootstrap-roles',
  'scheduling/bootstrap-system-priority-classes',
  'priority-and-fairness-config-producer',
  'bootstrap-controller',
  'start-kubernetes-service-cidr-controller',
  'start-kube-aggregator-informers',
  'apiservice-status-local-available-controller',
  'apiservice-status-remote-available-controller',
  'apiservice-registration-controller',
  'apiservice-discovery-controller',
  'kube-apiserver-autoregistration',
  'apiservice-openapi-controller',
  'apiservice-openapiv3-controller',
];

/** The checks of /livez, /readyz and /healthz beside `ping`, in upstream's order and names. */
export function healthChecks({ storageAnswers, checkReady }: Checked): HealthCheck[] {
  return [
    // The log is this process's stderr: a write that blocks would block this answer too.
    { name: 'log', check: () => undefined },
    { name: 'etcd', check: storageAnswers },
    { name: 'etcd-readiness', endpoints: ['readyz'], check: storageAnswers },
    { name: 'informer-sync', endpoints: ['readyz'], check: checkReady },
    ...START_HOOKS.map((hook) => ({ name: `poststarthook/${hook}`, check: checkReady })),
    { name: 'autoregister-completion', check: checkReady },
    { name: 'shutdown', endpoints: ['readyz'], check: checkReady },
  ];
}
