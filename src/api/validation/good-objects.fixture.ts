/** One good object a kind, and how the pipeline readies it: what the tests of validation begin with. */
import { seededRng } from '../../lib/random.ts';
import { decodeObject } from '../decode.ts';
import { applyDefaults } from '../defaults/defaults.ts';
import type { KubeObject } from '../meta.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { findResource } from '../scheme.ts';
import { prepareForCreate } from '../strategy/prepare.ts';

/** `group/version/resource`, the group empty for core. */
export const resource = (text: string): ResourceInfo => {
  const [group, version, name] = text.split('/');
  return findResource(group!, version!, name!)!;
};

/** As the pipeline readies an object: decode, default, prepare. */
export function ready(info: ResourceInfo, value: Record<string, unknown>): KubeObject {
  const { object } = decodeObject(structuredClone(value), info.schema, { fieldValidation: 'Strict' });
  return prepareForCreate(info, applyDefaults(info, object), 0, seededRng(1));
}

const metadata = { name: 'web', namespace: 'default' };
export const container = { name: 'c', image: 'nginx' };
const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [container] } };
const selector = { matchLabels: { app: 'web' } };

/** One good object a kind: the tutorial's, and the least that the others accept. */
export const GOOD: Record<string, Record<string, unknown>> = {
  '/v1/pods': {
    metadata,
    spec: {
      initContainers: [{ name: 'i', image: 'busybox', command: ['true'] }],
      containers: [
        {
          ...container,
          ports: [{ name: 'http', containerPort: 80 }],
          env: [
            { name: 'A', value: '' },
            { name: 'B', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'C', valueFrom: { configMapKeyRef: { name: 'm', key: 'k' } } },
          ],
          envFrom: [{ secretRef: { name: 's' } }],
          volumeMounts: [
            { name: 'v', mountPath: '/data' },
            { name: 'p', mountPath: '/p', readOnly: true },
          ],
          livenessProbe: { httpGet: { port: 'http', httpHeaders: [{ name: 'X', value: '' }] } },
          readinessProbe: { exec: { command: ['true'] } },
          startupProbe: { grpc: { port: 1 } },
          lifecycle: { preStop: { exec: { command: ['true'] } } },
          resources: { requests: { cpu: '10m' }, limits: { cpu: '1', memory: '1Gi' } },
          securityContext: { runAsUser: 0, capabilities: { add: ['NET_ADMIN'] } },
        },
        { name: 'd', image: 'busybox' },
      ],
      volumes: [
        { name: 'v', emptyDir: {} },
        {
          name: 'p',
          projected: {
            sources: [
              { serviceAccountToken: { path: 'token' } },
              { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
              { downwardAPI: { items: [{ path: 'ns', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
            ],
          },
        },
      ],
      tolerations: [{ operator: 'Exists' }, { key: 'a', effect: 'NoExecute', operator: 'Exists', tolerationSeconds: 300 }],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 1, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: selector } },
          ],
        },
      },
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: selector }],
    },
  },
  'apps/v1/deployments': { metadata, spec: { replicas: 2, selector, template } },
  'apps/v1/replicasets': { metadata, spec: { selector, template } },
  'apps/v1/daemonsets': { metadata, spec: { selector, template } },
  'apps/v1/statefulsets': {
    metadata,
    spec: {
      selector,
      serviceName: 'web',
      template,
      volumeClaimTemplates: [
        { metadata: { name: 'd' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
      ],
    },
  },
  'batch/v1/jobs': { metadata, spec: { template: { spec: { restartPolicy: 'Never', containers: [container] } } } },
  'batch/v1/cronjobs': {
    metadata,
    spec: {
      schedule: '*/5 0-6 * jan MON',
      timeZone: 'Europe/Berlin',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [container] } } } },
    },
  },
  '/v1/replicationcontrollers': { metadata, spec: { selector: { app: 'web' }, template } },
  '/v1/services': { metadata, spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] } },
  '/v1/endpoints': { metadata, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  'discovery.k8s.io/v1/endpointslices': { metadata, addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] },
  '/v1/configmaps': { metadata, data: { 'a.txt': 'x' } },
  '/v1/secrets': { metadata, stringData: { a: 'x' } },
  '/v1/namespaces': { metadata: { name: 'web' } },
  '/v1/nodes': { metadata: { name: 'n1' }, spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } },
  '/v1/serviceaccounts': { metadata },
  '/v1/events': { metadata, involvedObject: { kind: 'Pod', name: 'x', namespace: 'default' }, type: 'Normal' },
  '/v1/persistentvolumeclaims': { metadata, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  '/v1/persistentvolumes': {
    metadata: { name: 'pv' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/data' } },
  },
  '/v1/resourcequotas': { metadata, spec: { hard: { pods: '3', 'requests.cpu': '1' } } },
  '/v1/limitranges': { metadata, spec: { limits: [{ type: 'Container', max: { cpu: '1' }, min: { cpu: '100m' } }] } },
  'networking.k8s.io/v1/ingresses': {
    metadata,
    spec: {
      rules: [
        {
          host: 'web.example',
          http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }] },
        },
      ],
      tls: [{ hosts: ['web.example'], secretName: 's' }],
    },
  },
  'networking.k8s.io/v1/networkpolicies': {
    metadata,
    spec: { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }, { ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 80 }] }] },
  },
  'policy/v1/poddisruptionbudgets': { metadata, spec: { minAvailable: '50%', selector } },
  'autoscaling/v2/horizontalpodautoscalers': {
    metadata,
    spec: { scaleTargetRef: { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }, maxReplicas: 3 },
  },
  'rbac.authorization.k8s.io/v1/roles': {
    metadata: { ...metadata, name: 'system:a' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  },
  'rbac.authorization.k8s.io/v1/clusterroles': { metadata: { name: 'a:b' }, rules: [{ nonResourceURLs: ['/healthz'], verbs: ['get'] }] },
  'rbac.authorization.k8s.io/v1/rolebindings': {
    metadata,
    roleRef: { kind: 'ClusterRole', name: 'view' },
    subjects: [
      { kind: 'User', name: 'u' },
      { kind: 'ServiceAccount', name: 's', namespace: 'n' },
    ],
  },
  'storage.k8s.io/v1/storageclasses': { metadata: { name: 'std' }, provisioner: 'rockpool.dev/hostpath' },
  'scheduling.k8s.io/v1/priorityclasses': { metadata: { name: 'high' }, value: 1000 },
  'apps/v1/controllerrevisions': { metadata, data: { a: 1 }, revision: 1 },
  'networking.k8s.io/v1/ingressclasses': { metadata: { name: 'nginx' }, spec: { controller: 'example.com/ingress' } },
  'coordination.k8s.io/v1/leases': { metadata, spec: { holderIdentity: 'me' } },
  'apiextensions.k8s.io/v1/customresourcedefinitions': {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  },
  'admissionregistration.k8s.io/v1/validatingwebhookconfigurations': {
    metadata: { name: 'w' },
    webhooks: [
      {
        name: 'a.example.com',
        clientConfig: { url: 'https://x' },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
      },
    ],
  },
  'node.k8s.io/v1/runtimeclasses': { metadata: { name: 'r' }, handler: 'runc' },
  'certificates.k8s.io/v1/certificatesigningrequests': {
    metadata: { name: 'c' },
    spec: {
      request: btoa('-----BEGIN CERTIFICATE REQUEST-----\n'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    },
  },
};
