/** Every controller, each with what would be missing without it. They share their caches and start side by side; the order carries no meaning. */
import type { Transport } from '../api/transport.ts';
import { withTransport } from '../client/new-client.ts';
import type { ComponentContext } from '../client/reconcile.ts';
import { createRecorder } from '../client/recorder.ts';
import type { Component } from '../lib/component.ts';
import { createAttachDetachController } from './attachdetach/attach-detach-controller.ts';
import { createBootstrapSigner } from './bootstraptokens/bootstrap-signer.ts';
import { createTokenCleaner } from './bootstraptokens/token-cleaner.ts';
import { createCertificateApprovingController } from './certificates/approving-controller.ts';
import { createCertificateCleaner } from './certificates/cleaner-controller.ts';
import type { Authority } from './certificates/issue.ts';
import { createCertificateSigningController } from './certificates/signing-controller.ts';
import { createClusterRoleAggregationController } from './clusterroleaggregation/cluster-role-aggregation-controller.ts';
import { createCronJobController } from './cronjob/cron-job-controller.ts';
import { createDaemonSetController } from './daemonset/daemon-set-controller.ts';
import { createDeploymentController } from './deployment/deployment-controller.ts';
import { createDisruptionController } from './disruption/disruption-controller.ts';
import { createEndpointsController } from './endpoints/endpoints-controller.ts';
import { createEndpointSliceController } from './endpointslice/endpoint-slice-controller.ts';
import { createEndpointSliceMirroringController } from './endpointslicemirroring/endpoint-slice-mirroring-controller.ts';
import { createEphemeralVolumeController } from './ephemeralvolume/ephemeral-volume-controller.ts';
import { createExpandController } from './expand/expand-controller.ts';
import { createGarbageCollector } from './garbagecollector/garbage-collector.ts';
import { createHorizontalPodAutoscalerController } from './horizontalpodautoscaler/horizontal-controller.ts';
import { createJobController } from './job/job-controller.ts';
import { createLegacyTokenCleaner } from './legacytokens/legacy-token-cleaner.ts';
import { createNamespaceController } from './namespace/namespace-controller.ts';
import { createNodeLifecycleController } from './nodelifecycle/node-lifecycle-controller.ts';
import { createTaintEvictionController } from './nodelifecycle/taint-eviction-controller.ts';
import { createPersistentVolumeBinder } from './persistentvolume/persistent-volume-binder.ts';
import { createClaimProtection, createVolumeAttributesClassProtection, createVolumeProtection } from './persistentvolume/protection.ts';
import { createPodGarbageCollector } from './podgc/pod-garbage-collector.ts';
import { createReplicaSetController } from './replicaset/replica-controller.ts';
import { createReplicationController } from './replicationcontroller/replication-controller.ts';
import { createResourceClaimController } from './resourceclaim/resource-claim-controller.ts';
import { createResourceQuotaController } from './resourcequota/resource-quota-controller.ts';
import { createRootCaPublisher } from './rootca/root-ca-publisher.ts';
import { createServiceAccountController } from './serviceaccount/service-account-controller.ts';
import { createServiceCidrController } from './servicecidr/service-cidr-controller.ts';
import { createStatefulSetController } from './statefulset/stateful-set-controller.ts';
import { createTtlAfterFinishedController } from './ttlafterfinished/ttl-after-finished-controller.ts';

export interface ControllerConfig {
  /** PEM of the cluster CA. */
  caCert: string;
  /** PEM of the CA that CertificateSigningRequests are signed with, and of its key. Nothing is signed without it. */
  clusterSigning?: Authority;
  /**
   * The transport of system:serviceaccount:kube-system:<name>, whose role system:controller:<name> allows what that controller writes.
   * On loopback `(name) => loopback(serviceAccountUser(name))`, over https `serviceAccountTransports` (client/transports/service-account.ts).
   * Without it all controllers write as the context's own identity. Reads are the context's in both cases.
   */
  transportOf?: (serviceAccount: string) => Transport;
  /** Only these, by the names that their events carry; kube-controller-manager's --controllers. All unless given. */
  only?: readonly string[];
}

interface Controller {
  /** In kube-system; upstream's name. */
  serviceAccount: string;
  /** `source.component` of its events; the service account's name unless upstream calls it otherwise. */
  eventSource?: string;
  create(context: ComponentContext, config: ControllerConfig): Component[];
}

const CONTROLLERS: readonly Controller[] = [
  // Without the default service account no pod is admitted to a namespace.
  { serviceAccount: 'service-account-controller', create: createServiceAccountController },
  // Pods mount the CA that they check the API server by from a ConfigMap of their namespace.
  { serviceAccount: 'root-ca-cert-publisher', create: createRootCaPublisher },
  // `kubectl delete namespace` would never end.
  { serviceAccount: 'namespace-controller', create: createNamespaceController },
  // What a deleted Deployment or CronJob made would stay for ever; foreground deletion would never end.
  {
    serviceAccount: 'generic-garbage-collector',
    eventSource: 'garbage-collector-controller',
    create: (context) => createGarbageCollector(context),
  },
  // A node that went silent would look Ready, and keep its taints once it is back.
  { serviceAccount: 'node-controller', create: (context) => createNodeLifecycleController(context) },
  // NoExecute taints would not move pods.
  { serviceAccount: 'node-controller', eventSource: 'taint-eviction-controller', create: createTaintEvictionController },
  // Pods of a node that was removed have no kubelet to end them.
  { serviceAccount: 'pod-garbage-collector', create: (context) => createPodGarbageCollector(context) },
  // Deployments would have no ReplicaSets.
  { serviceAccount: 'deployment-controller', create: createDeploymentController },
  // ReplicaSets would have no pods.
  { serviceAccount: 'replicaset-controller', create: createReplicaSetController },
  // Jobs would have no pods.
  { serviceAccount: 'job-controller', create: createJobController },
  // Services would lead nowhere: proxy, DNS and ingress read slices.
  { serviceAccount: 'endpointslice-controller', create: createEndpointSliceController },
  // `kubectl get endpoints` and older clients would find nothing.
  { serviceAccount: 'endpoint-controller', create: createEndpointsController },
  // Endpoints written by hand would reach no proxy.
  { serviceAccount: 'endpointslicemirroring-controller', create: createEndpointSliceMirroringController },
  // Claims would stay Pending, and volumes be kept by claims that are gone.
  { serviceAccount: 'persistent-volume-binder', eventSource: 'persistentvolume-controller', create: createPersistentVolumeBinder },
  // Pods with ephemeral volumes would wait for claims that nobody makes.
  { serviceAccount: 'ephemeral-volume-controller', create: createEphemeralVolumeController },
  // Pods with claims from templates would wait for ever, and devices stay taken when their pods have ended.
  { serviceAccount: 'resource-claim-controller', eventSource: 'resource_claim', create: createResourceClaimController },
  // Claims in use could be deleted under their pods, and those that are deleted would stay for ever.
  { serviceAccount: 'pvc-protection-controller', create: createClaimProtection },
  // The same for bound volumes.
  { serviceAccount: 'pv-protection-controller', create: createVolumeProtection },
  // The same for classes of volume attributes.
  { serviceAccount: 'volumeattributesclass-protection-controller', create: createVolumeAttributesClassProtection },
  // Volumes of CSI drivers that attach would never come to a node, nor leave it.
  { serviceAccount: 'attachdetach-controller', create: createAttachDetachController },
  // A claim that asks for more would not say who is expected to act.
  { serviceAccount: 'expand-controller', eventSource: 'volume_expand', create: createExpandController },
  // Daemons would run nowhere.
  { serviceAccount: 'daemon-set-controller', eventSource: 'daemonset-controller', create: createDaemonSetController },
  // StatefulSets would have no pods.
  { serviceAccount: 'statefulset-controller', create: createStatefulSetController },
  // CronJobs would never start a Job.
  { serviceAccount: 'cronjob-controller', create: createCronJobController },
  // ReplicationControllers would have no pods.
  { serviceAccount: 'replication-controller', create: createReplicationController },
  // Finished Jobs with a time to live would stay.
  { serviceAccount: 'ttl-after-finished-controller', create: createTtlAfterFinishedController },
  // `kubectl autoscale` would change nothing.
  { serviceAccount: 'horizontal-pod-autoscaler', create: createHorizontalPodAutoscalerController },
  // No pod under a PodDisruptionBudget could be evicted, and no node be drained.
  { serviceAccount: 'disruption-controller', create: createDisruptionController },
  // Rules of addons would not reach the roles admin, edit and view.
  { serviceAccount: 'clusterrole-aggregation-controller', create: createClusterRoleAggregationController },
  // A kubelet that joins, or renews its certificate, would wait for somebody to approve it.
  { serviceAccount: 'certificate-controller', eventSource: 'csrapproving', create: createCertificateApprovingController },
  // `kubectl certificate approve` would give nobody a certificate.
  { serviceAccount: 'certificate-controller', eventSource: 'csrsigning', create: createCertificateSigningController },
  // Certificate requests that are done with would stay.
  { serviceAccount: 'certificate-controller', eventSource: 'csrcleaner', create: createCertificateCleaner },
  // Expired bootstrap tokens would stay.
  { serviceAccount: 'token-cleaner', eventSource: 'tokencleaner', create: createTokenCleaner },
  // Who joins with a token could not trust kube-public/cluster-info.
  { serviceAccount: 'bootstrap-signer', eventSource: 'bootstrapsigner', create: createBootstrapSigner },
  // Tokens that older clusters made, and that nobody uses, would be good for ever.
  { serviceAccount: 'legacy-service-account-token-cleaner', create: createLegacyTokenCleaner },
  // Ranges that ServiceCIDRs add would never be used, and be gone under the addresses that are.
  { serviceAccount: 'service-cidrs-controller', create: createServiceCidrController },
  // `kubectl describe quota` would not show what is used.
  { serviceAccount: 'resourcequota-controller', create: createResourceQuotaController },
];

/** What `ControllerConfig.only` may name. */
export function controllerNames(): string[] {
  return CONTROLLERS.map(nameOf);
}

/** All controllers, or those of `config.only`, not yet started. */
export function createControllers(context: ComponentContext, config: ControllerConfig): Component[] {
  const chosen = CONTROLLERS.filter((controller) => config.only?.includes(nameOf(controller)) ?? true);
  return chosen.flatMap((controller) => controller.create(contextOf(controller, context, config), config));
}

function nameOf({ serviceAccount, eventSource = serviceAccount }: Controller): string {
  return eventSource;
}

function contextOf(controller: Controller, context: ComponentContext, config: ControllerConfig): ComponentContext {
  const eventSource = nameOf(controller);
  const client = config.transportOf ? withTransport(context.client, config.transportOf(controller.serviceAccount)) : context.client;
  const log = context.log.with({ component: eventSource });
  return { ...context, client, log, events: createRecorder({ client, clock: context.clock, log, component: eventSource }) };
}
