import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KubeObject } from '../meta.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import type { ResourceInfo } from '../schema/schema.ts';
import { invalid } from '../status.ts';
import { prepareForUpdate } from '../strategy/prepare.ts';
import { container, GOOD, ready, resource } from './good-objects.fixture.ts';
import { validateCreate, validateUpdate } from './validate.ts';

const messages = (info: ResourceInfo, object: KubeObject): string[] =>
  validateCreate(info, object).map(({ field, message }) => `${field}: ${message}`);
describe('what is right is accepted', () => {
  for (const [name, value] of Object.entries(GOOD)) {
    test(name, () => {
      const info = resource(name);
      const object = ready(info, value);
      assert.deepEqual(messages(info, object), []);
      const same = prepareForUpdate(info, structuredClone(object), object);
      assert.deepEqual(validateUpdate(info, same, object), []);
    });
  }
});

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

interface Bad {
  resource: string;
  name: string;
  /** A merge patch on the good object. */
  change: Record<string, unknown>;
  expected: string[];
}

const BAD: Bad[] = [
  {
    resource: '/v1/pods',
    name: 'name',
    change: { metadata: { name: 'A_b' } },
    expected: [`metadata.name: Invalid value: "A_b": ${SUBDOMAIN}`],
  },
  {
    resource: '/v1/pods',
    name: 'resize policies',
    change: {
      spec: {
        restartPolicy: 'Never',
        containers: [
          {
            ...container,
            resizePolicy: [
              { resourceName: 'cpu', restartPolicy: 'RestartContainer' },
              { resourceName: 'cpu', restartPolicy: 'NotRequired' },
              { resourceName: 'disk', restartPolicy: 'NotRequired' },
            ],
          },
        ],
      },
    },
    expected: [
      "spec.containers[0].resizePolicy: Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'",
      'spec.containers[0].resizePolicy[1]: Duplicate value: "cpu"',
      'spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"',
    ],
  },
  { resource: '/v1/pods', name: 'no containers', change: { spec: { containers: [] } }, expected: ['spec.containers: Required value'] },
  {
    resource: '/v1/pods',
    name: 'no image',
    change: { spec: { containers: [{ name: 'c' }] } },
    expected: ['spec.containers[0].image: Required value'],
  },
  {
    resource: '/v1/pods',
    name: 'twice the same name',
    change: { spec: { containers: [container, container] } },
    expected: ['spec.containers[1].name: Duplicate value: "c"'],
  },
  {
    resource: '/v1/pods',
    name: 'mount of no volume',
    change: { spec: { containers: [{ ...container, volumeMounts: [{ name: 'x', mountPath: '/x' }] }] } },
    expected: ['spec.containers[0].volumeMounts[0].name: Not found: "x"'],
  },
  {
    resource: '/v1/pods',
    name: 'restart policy',
    change: { spec: { restartPolicy: 'Sometimes' } },
    expected: ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"'],
  },
  {
    resource: '/v1/pods',
    name: 'port',
    change: { spec: { containers: [{ ...container, ports: [{ containerPort: 70000 }] }] } },
    expected: ['spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  },
  {
    resource: '/v1/pods',
    name: 'request above limit',
    change: { spec: { containers: [{ ...container, resources: { requests: { cpu: '1' }, limits: { cpu: '500m' } } }] } },
    expected: ['spec.containers[0].resources.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m'],
  },
  {
    resource: '/v1/pods',
    name: 'probe without handler',
    change: { spec: { containers: [{ ...container, livenessProbe: {} }] } },
    expected: ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  },
  {
    resource: '/v1/pods',
    name: 'liveness successes',
    change: { spec: { containers: [{ ...container, livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } }] } },
    expected: ['spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'],
  },
  {
    resource: '/v1/pods',
    name: 'field path',
    change: { spec: { containers: [{ ...container, env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.x' } } }] }] } },
    expected: [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.x": error converting fieldPath: field label not supported: spec.x',
    ],
  },
  {
    resource: '/v1/pods',
    name: 'two sources in a volume',
    change: { spec: { containers: [container], volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] } },
    expected: ['spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type'],
  },
  {
    resource: '/v1/pods',
    name: 'probe of an init container',
    change: { spec: { initContainers: [{ ...container, name: 'i', livenessProbe: { tcpSocket: { port: 1 } } }] } },
    expected: ['spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always'],
  },
  {
    resource: '/v1/pods',
    name: 'toleration',
    change: { spec: { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] } },
    expected: [
      'spec.tolerations[0].operator: Invalid value: {"key":"a","operator":"Exists","value":"b"}: value must be empty when `operator` is \'Exists\'',
    ],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'labels that do not match',
    change: { spec: { template: { metadata: { labels: { app: 'db' } } } } },
    expected: ['spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`'],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'no selector',
    change: { spec: { selector: null } },
    expected: [
      'spec.selector: Required value',
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
  },
  {
    resource: 'certificates.k8s.io/v1/certificatesigningrequests',
    name: 'no request, no signer, twice the same usage',
    change: { spec: { request: 'eA==', signerName: 'x', usages: ['client auth', 'client auth'] } },
    expected: [
      'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST',
      'spec.usages[1]: Duplicate value: "client auth"',
      'spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form \'example.com/signer-name\'',
    ],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'negative replicas',
    change: { spec: { replicas: -1 } },
    expected: ['spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'empty selector',
    change: { spec: { selector: { matchLabels: null } } },
    expected: ['spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'restart policy',
    change: { spec: { template: { spec: { restartPolicy: 'Never' } } } },
    expected: ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
  },
  {
    resource: 'apps/v1/deployments',
    name: 'rollout that cannot move',
    change: { spec: { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } } },
    expected: ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'],
  },
  {
    resource: 'batch/v1/jobs',
    name: 'restart policy',
    change: { spec: { template: { spec: { restartPolicy: null } } } },
    expected: ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
  },
  {
    resource: 'batch/v1/cronjobs',
    name: 'schedule',
    change: { spec: { schedule: '* * *' } },
    expected: ['spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
  },
  {
    resource: 'batch/v1/cronjobs',
    name: 'time zone',
    change: { spec: { timeZone: 'Mars/Base' } },
    expected: ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base'],
  },
  { resource: '/v1/services', name: 'no ports', change: { spec: { ports: null } }, expected: ['spec.ports: Required value'] },
  {
    resource: '/v1/services',
    name: 'ports without names',
    change: { spec: { ports: [{ port: 80 }, { port: 81 }] } },
    expected: ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  },
  {
    resource: '/v1/services',
    name: 'type',
    change: { spec: { type: 'Magic' } },
    expected: ['spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'],
  },
  {
    resource: '/v1/services',
    name: 'node port of a ClusterIP',
    change: { spec: { ports: [{ port: 80, nodePort: 30080 }] } },
    expected: ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  },
  {
    resource: '/v1/services',
    name: 'name that begins with a digit',
    change: { metadata: { name: '1web' } },
    expected: [
      "metadata.name: Invalid value: \"1web\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
    ],
  },
  {
    resource: '/v1/configmaps',
    name: 'key',
    change: { data: { 'a b': '' } },
    expected: [
      "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
    ],
  },
  {
    resource: '/v1/configmaps',
    name: 'size',
    change: { data: { a: 'x'.repeat(1024 * 1024 + 1) } },
    expected: ['[]: Too long: may not be more than 1048576 bytes'],
  },
  {
    resource: '/v1/secrets',
    name: 'TLS without a key',
    change: { type: 'kubernetes.io/tls', stringData: { 'tls.crt': 'x' } },
    expected: ['data[tls.key]: Required value'],
  },
  {
    resource: '/v1/namespaces',
    name: 'a namespace in a namespace',
    change: { metadata: { namespace: 'x' } },
    expected: ['metadata.namespace: Forbidden: not allowed on this type'],
  },
  {
    resource: '/v1/serviceaccounts',
    name: 'label value',
    change: { metadata: { labels: { a: 'b c' } } },
    expected: [
      "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ],
  },
  {
    resource: 'networking.k8s.io/v1/ingresses',
    name: 'nothing to route',
    change: { spec: { rules: null } },
    expected: [
      'spec: Invalid value: {"tls":[{"hosts":["web.example"],"secretName":"s"}]}: either `defaultBackend` or `rules` must be specified',
    ],
  },
  {
    resource: 'networking.k8s.io/v1/ingresses',
    name: 'no path type',
    change: { spec: { rules: [{ http: { paths: [{ path: '/', backend: { service: { name: 'web', port: { number: 80 } } } }] } }] } },
    expected: ['spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified'],
  },
  {
    resource: '/v1/persistentvolumeclaims',
    name: 'access mode',
    change: { spec: { accessModes: ['Any'] } },
    expected: [
      'spec.accessModes: Unsupported value: "Any": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
    ],
  },
  {
    resource: '/v1/persistentvolumeclaims',
    name: 'no size',
    change: { spec: { resources: null } },
    expected: ['spec.resources[storage]: Required value'],
  },
  {
    resource: 'rbac.authorization.k8s.io/v1/roles',
    name: 'no verbs',
    change: { rules: [{ apiGroups: [''], resources: ['pods'] }] },
    expected: ['rules[0].verbs: Required value: verbs must contain at least one value'],
  },
  {
    resource: 'rbac.authorization.k8s.io/v1/rolebindings',
    name: 'subject',
    change: { subjects: [{ kind: 'Robot', name: 'r' }] },
    expected: ['subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"'],
  },
  {
    resource: '/v1/limitranges',
    name: 'min above max',
    change: { spec: { limits: [{ type: 'Pod', max: { cpu: '1' }, min: { cpu: '2' } }] } },
    expected: ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
  },
  {
    resource: 'apiextensions.k8s.io/v1/customresourcedefinitions',
    name: 'name',
    change: { metadata: { name: 'other.example.com' } },
    expected: ['metadata.name: Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group'],
  },
  {
    resource: 'storage.k8s.io/v1/volumeattachments',
    name: 'required by the schema',
    change: {
      metadata: { name: 'attached' },
      spec: { attacher: 'csi.example.com', source: { persistentVolumeName: 'disk' }, nodeName: null },
    },
    expected: ['spec.nodeName: Required value'],
  },
  {
    resource: 'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
    name: 'enumeration of the schema',
    change: {
      webhooks: [
        {
          name: 'a.example.com',
          clientConfig: { url: 'https://x' },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          failurePolicy: 'Maybe',
        },
      ],
    },
    expected: ['webhooks[0].failurePolicy: Unsupported value: "Maybe": supported values: "Fail", "Ignore"'],
  },
];

describe('what is wrong is refused in upstream’s words', () => {
  for (const { resource: name, name: what, change, expected } of BAD) {
    test(`${name}: ${what}`, () => {
      const info = resource(name);
      assert.deepEqual(messages(info, ready(info, applyMergePatch(GOOD[name]!, change))), expected);
    });
  }

  test('the answer reads as upstream’s', () => {
    const info = resource('apps/v1/deployments');
    const errors = validateCreate(info, ready(info, applyMergePatch(GOOD['apps/v1/deployments']!, { spec: { replicas: -1 } })));
    assert.equal(
      invalid('Deployment', 'apps', 'web', errors).message,
      'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    );
  });
});
