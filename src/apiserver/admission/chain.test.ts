import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { MemoryObjects } from '../../../test/fixtures/memory-objects.ts';
import type { KubeObject, ObjectWithMeta } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Pod, PodSpec } from '../../api/types.gen.ts';
import type { UserInfo } from '../../api/transport.ts';
import { ManualClock } from '../../lib/clock.ts';
import { seededRng } from '../../lib/random.ts';
import { createAuthorizer } from '../authz/authorizer.ts';
import { clusterRoleBindings, clusterRoles } from '../bootstrap/cluster-roles.ts';
import { systemPriorityClasses } from '../bootstrap/system-objects.ts';
import type { AdmissionRequest } from '../contract.ts';
import { admissionChain } from './chain.ts';

const ADMIN: UserInfo = { name: 'admin', groups: ['system:masters'] };
const JANE: UserInfo = { name: 'jane', groups: ['system:authenticated'] };
const NODE: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };

const namespace = (name: string, labels: Record<string, string> = {}, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
  ...more,
});
const account = (ns: string, name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { namespace: ns, name },
  ...more,
});

function setUp(...more: ObjectWithMeta[]) {
  const clock = new ManualClock();
  const objects = new MemoryObjects(
    ...clusterRoles(),
    ...clusterRoleBindings(),
    ...systemPriorityClasses(),
    namespace('default'),
    namespace('going', {}, { status: { phase: 'Terminating' } }),
    account('default', 'default'),
    ...more,
  );
  const chain = admissionChain({
    source: objects.source,
    resources: objects.resources,
    authorizer: createAuthorizer(objects),
    clock,
    rng: seededRng(1),
  });
  const warnings: string[] = [];

  /** The order of the pipeline: all that mutate, then all that validate. */
  const admit = async (given: Partial<AdmissionRequest> & { on: string }): Promise<KubeObject | undefined> => {
    const [resource, subresource = ''] = given.on.split(':')[0]!.split('/') as [string, string?];
    const info = objects.resources.all().find((candidate) => candidate.resource === resource)!;
    const request: AdmissionRequest = {
      operation: 'CREATE',
      subresource,
      namespace: 'default',
      name: given.object?.metadata.name ?? '',
      user: ADMIN,
      dryRun: false,
      options: {},
      warn: (text) => warnings.push(text),
      ...given,
      resource: info,
    };
    for (const plugin of chain) request.object = (await plugin.mutate?.(request)) ?? request.object;
    for (const plugin of chain) await plugin.validate?.(request);
    return request.object;
  };
  return { objects, clock, admit, warnings };
}

const pod = (spec: Partial<PodSpec> = {}, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', ...metadata },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
});

async function refusal(admitted: Promise<unknown>): Promise<string> {
  const error = await admitted.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof StatusError, 'it was admitted');
  return error.message;
}

describe('admission of pods', () => {
  test('a plain pod gets its account, token, priority and tolerations', async () => {
    const { admit } = setUp();
    const given = pod();
    const { spec } = (await admit({ on: 'pods', object: given })) as unknown as Pod;
    assert.equal(spec?.serviceAccountName, 'default');
    assert.equal(spec?.priority, 0);
    assert.equal(spec?.preemptionPolicy, 'PreemptLowerPriority');
    assert.deepEqual(
      spec?.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]),
      [
        ['node.kubernetes.io/not-ready', 300],
        ['node.kubernetes.io/unreachable', 300],
      ],
    );
    const [volume] = spec?.volumes ?? [];
    assert.match(volume!.name, /^kube-api-access-[a-z0-9]{5}$/);
    assert.deepEqual(
      volume!.projected?.sources?.map((source) => Object.keys(source)[0]),
      ['serviceAccountToken', 'configMap', 'downwardAPI'],
    );
    assert.deepEqual(spec?.containers[0]?.volumeMounts, [
      { name: volume!.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
    ]);
    assert.equal((given['spec'] as PodSpec).volumes, undefined, 'what was sent is not changed');
  });

  test('no token where the pod or the account does not want one', async () => {
    const { admit } = setUp(account('default', 'quiet', { automountServiceAccountToken: false }));
    const volumesOf = async (spec: Partial<PodSpec>) => ((await admit({ on: 'pods', object: pod(spec) })) as unknown as Pod).spec?.volumes;
    assert.equal(await volumesOf({ automountServiceAccountToken: false }), undefined);
    assert.equal(await volumesOf({ serviceAccountName: 'quiet' }), undefined);
    assert.equal((await volumesOf({ serviceAccountName: 'quiet', automountServiceAccountToken: true }))?.length, 1);
  });

  test('a default account that appears a moment later is waited for', async () => {
    const { admit, objects, clock } = setUp(namespace('new'));
    const early = admit({ on: 'pods', object: pod({}, { namespace: 'new' }), namespace: 'new' });
    await setImmediate();
    objects.put(account('new', 'default'));
    assert.equal(((await early) as unknown as Pod).spec?.serviceAccountName, 'default');
    objects.put(namespace('empty'));
    const never = refusal(admit({ on: 'pods', object: pod({}, { namespace: 'empty' }), namespace: 'empty' }));
    await setImmediate();
    await clock.advance(1000);
    assert.match(await never, /serviceaccount "default" not found/);
  });

  test('priority classes', async () => {
    const { admit } = setUp({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'usual' },
      value: 7,
      globalDefault: true,
    } as never);
    const specOf = async (spec: Partial<PodSpec>) => ((await admit({ on: 'pods', object: pod(spec) })) as unknown as Pod).spec!;
    assert.deepEqual([(await specOf({})).priorityClassName, (await specOf({})).priority], ['usual', 7]);
    assert.equal((await specOf({ priorityClassName: 'system-node-critical' })).priority, 2_000_001_000);
  });

  test('a RuntimeClass gives overhead and node selector', async () => {
    const { admit } = setUp({
      apiVersion: 'node.k8s.io/v1',
      kind: 'RuntimeClass',
      metadata: { name: 'vm' },
      handler: 'vm',
      overhead: { podFixed: { cpu: '100m' } },
      scheduling: { nodeSelector: { vm: 'yes' } },
    } as never);
    const { spec } = (await admit({ on: 'pods', object: pod({ runtimeClassName: 'vm' }) })) as unknown as Pod;
    assert.deepEqual([spec?.overhead, spec?.nodeSelector], [{ cpu: '100m' }, { vm: 'yes' }]);
  });

  const refused: [string, Partial<AdmissionRequest>, string][] = [
    ['no such namespace', { namespace: 'nowhere', object: pod({}, { namespace: 'nowhere' }) }, 'namespaces "nowhere" not found'],
    [
      'a namespace in deletion',
      { namespace: 'going', object: pod({}, { namespace: 'going' }) },
      'pods "web" is forbidden: unable to create new content in namespace going because it is being terminated',
    ],
    [
      'no such account',
      { object: pod({ serviceAccountName: 'x' }) },
      'pods "web" is forbidden: error looking up service account default/x: serviceaccount "x" not found',
    ],
    [
      'no such priority class',
      { object: pod({ priorityClassName: 'x' }) },
      'pods "web" is forbidden: no PriorityClass with name x was found',
    ],
    [
      'another number than the class says',
      { object: pod({ priority: 5 }) },
      'pods "web" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ],
    [
      'no such runtime class',
      { object: pod({ runtimeClassName: 'x' }) },
      'pods "web" is forbidden: pod rejected: RuntimeClass "x" not found',
    ],
    [
      'a node that makes ordinary pods',
      { user: NODE, object: pod({ nodeName: 'n1' }) },
      'pods "web" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
    ],
  ];
  for (const [name, request, message] of refused) {
    test(`refused: ${name}`, async () => assert.equal(await refusal(setUp().admit({ on: 'pods', ...request })), message));
  }

  test('the cause of a terminating namespace is machine-readable', async () => {
    const { admit } = setUp();
    await assert.rejects(
      admit({ on: 'configmaps', namespace: 'going', object: { metadata: { name: 'c', namespace: 'going' } } }),
      (error: unknown) => error instanceof StatusError && error.status.details?.causes?.[0]?.reason === 'NamespaceTerminating',
    );
  });
});

describe('limits and quotas', () => {
  const range = {
    apiVersion: 'v1',
    kind: 'LimitRange',
    metadata: { namespace: 'default', name: 'limits' },
    spec: {
      limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' }, min: { cpu: '50m' } }],
    },
  } as never;
  const quota = (hard: Record<string, string>, more: object = {}) =>
    ({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { namespace: 'default', name: 'q' }, spec: { hard, ...more } }) as never;
  const asking = (requests: Record<string, string>, limits?: Record<string, string>) =>
    pod({ containers: [{ name: 'c', image: 'i', resources: { requests, ...(limits ? { limits } : {}) } }] });

  test('defaults are filled in and noted', async () => {
    const admitted = (await setUp(range).admit({ on: 'pods', object: pod() })) as unknown as Pod;
    assert.deepEqual(admitted.spec?.containers[0]?.resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } });
    assert.equal(
      admitted.metadata.annotations?.['kubernetes.io/limit-ranger'],
      'LimitRanger plugin set: cpu request for container c; cpu limit for container c',
    );
  });

  const limited: [string, KubeObject, string][] = [
    [
      'above the maximum',
      asking({ cpu: '2' }, { cpu: '2' }),
      'pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      'below the minimum',
      asking({ cpu: '10m' }, { cpu: '1' }),
      'pods "web" is forbidden: minimum cpu usage per Container is 50m, but request is 10m',
    ],
  ];
  for (const [name, object, message] of limited)
    test(name, async () => assert.equal(await refusal(setUp(range).admit({ on: 'pods', object })), message));

  test('a quota counts what is there and what is about to be', async () => {
    const { admit, objects } = setUp(quota({ pods: '2', 'requests.cpu': '1' }));
    objects.put(asking({ cpu: '300m' }));
    const named = (name: string, cpu: string) => ({ ...asking({ cpu }), metadata: { name, namespace: 'default' } });
    assert.equal(
      await refusal(admit({ on: 'pods', object: named('b', '800m') })),
      'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=800m, used: requests.cpu=300m, limited: requests.cpu=1',
    );
    await admit({ on: 'pods', object: named('b', '100m') });
    assert.equal(
      await refusal(admit({ on: 'pods', object: named('c', '100m') })),
      'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    );
  });

  test('a quota on compute wants it said', async () => {
    const { admit } = setUp(quota({ 'limits.cpu': '1', memory: '1Gi' }));
    assert.equal(
      await refusal(admit({ on: 'pods', object: pod() })),
      'pods "web" is forbidden: failed quota: q: must specify limits.cpu for: c; memory for: c',
    );
  });

  test('objects of any kind are counted, scopes choose pods', async () => {
    const { admit } = setUp(quota({ 'count/configmaps': '0' }));
    assert.equal(
      await refusal(admit({ on: 'configmaps', object: { metadata: { name: 'c', namespace: 'default' } } })),
      'configmaps "c" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=0, limited: count/configmaps=0',
    );
    const scoped = setUp(quota({ pods: '0' }, { scopes: ['BestEffort'] }));
    await scoped.admit({ on: 'pods', object: asking({ cpu: '1' }) });
    assert.match(await refusal(scoped.admit({ on: 'pods', object: pod() })), /exceeded quota: q/);
  });
});

describe('pod security', () => {
  const strict = namespace('default', { 'pod-security.kubernetes.io/enforce': 'restricted' });
  const safe: Partial<PodSpec> = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [{ name: 'c', image: 'i', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
  };
  test('restricted says everything at once', async () => {
    assert.equal(
      await refusal(setUp(strict).admit({ on: 'pods', object: pod() })),
      'pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    );
    await setUp(strict).admit({ on: 'pods', object: pod(safe) });
  });
  test('baseline', async () => {
    const base = namespace('default', { 'pod-security.kubernetes.io/enforce': 'baseline' });
    await setUp(base).admit({ on: 'pods', object: pod() });
    const bad = pod({
      hostNetwork: true,
      volumes: [{ name: 'h', hostPath: { path: '/' } }],
      containers: [
        {
          name: 'c',
          image: 'i',
          securityContext: { privileged: true, capabilities: { add: ['NET_ADMIN'] } },
          ports: [{ containerPort: 80, hostPort: 80 }],
        },
      ],
    });
    assert.equal(
      await refusal(setUp(base).admit({ on: 'pods', object: bad })),
      'pods "web" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add), host namespaces (hostNetwork=true), hostPath volumes (volume "h"), hostPort (container "c" uses hostPort 80), privileged (container "c" must not set securityContext.privileged=true)',
    );
  });
  test('workloads are warned of', async () => {
    const { admit, warnings } = setUp(namespace('default', { 'pod-security.kubernetes.io/warn': 'baseline' }));
    const template = { metadata: {}, spec: { hostPID: true, containers: [{ name: 'c', image: 'i' }] } };
    await admit({ on: 'deployments', object: { metadata: { name: 'd', namespace: 'default' }, spec: { template } } });
    assert.deepEqual(warnings, ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']);
  });
  test('a namespace that turns strict hears of its pods; a level must exist', async () => {
    const { admit, warnings, objects } = setUp();
    objects.put(pod({ hostPID: true }));
    await admit({
      on: 'namespaces',
      operation: 'UPDATE',
      namespace: 'default',
      object: namespace('default', { 'pod-security.kubernetes.io/enforce': 'baseline' }),
      oldObject: namespace('default'),
    });
    assert.deepEqual(warnings, [
      'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"',
      'web: host namespaces',
    ]);
    assert.match(
      await refusal(admit({ on: 'namespaces', object: namespace('x', { 'pod-security.kubernetes.io/enforce': 'strict' }) })),
      /must be one of privileged, baseline, restricted/,
    );
  });
});

describe('admission of the rest', () => {
  const classes = [
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'standard', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'p',
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: 'web', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
    },
  ] as never[];

  test('claims and ingresses get the default class, claims a finalizer', async () => {
    const { admit } = setUp(...classes);
    const claim = await admit({ on: 'persistentvolumeclaims', object: { metadata: { name: 'c', namespace: 'default' }, spec: {} } });
    assert.deepEqual(
      [(claim!['spec'] as { storageClassName?: string }).storageClassName, claim!.metadata.finalizers],
      ['standard', ['kubernetes.io/pvc-protection']],
    );
    const chosen = await admit({
      on: 'persistentvolumeclaims',
      object: { metadata: { name: 'c', namespace: 'default' }, spec: { storageClassName: '' } },
    });
    assert.equal((chosen!['spec'] as { storageClassName?: string }).storageClassName, '');
    const ingress = await admit({ on: 'ingresses', object: { metadata: { name: 'i', namespace: 'default' }, spec: {} } });
    assert.equal((ingress!['spec'] as { ingressClassName?: string }).ingressClassName, 'web');
  });

  test('a new node is tainted until it is ready', async () => {
    const node = await setUp().admit({
      on: 'nodes',
      namespace: '',
      user: NODE,
      object: { metadata: { name: 'n1', labels: { 'kubernetes.io/hostname': 'n1' } }, spec: {} },
    });
    assert.deepEqual((node!['spec'] as { taints: object[] }).taints, [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  });

  const size = (storage: string, phase = 'Bound') => ({
    metadata: { name: 'c', namespace: 'default', uid: 'c' },
    spec: { storageClassName: 'standard', resources: { requests: { storage } } },
    status: { phase },
  });
  const refused: [string, Partial<AdmissionRequest> & { on: string }, string][] = [
    [
      'deleting kube-system',
      { on: 'namespaces', operation: 'DELETE', name: 'kube-system', namespace: 'kube-system' },
      'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    ],
    [
      'a node that writes another',
      { on: 'nodes', namespace: '', user: NODE, object: { metadata: { name: 'n2' }, spec: {} } },
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
    ],
    [
      'a node that labels itself a control plane',
      {
        on: 'nodes',
        namespace: '',
        user: NODE,
        object: { metadata: { name: 'n1', labels: { 'node-role.kubernetes.io/control-plane': '' } }, spec: {} },
      },
      'nodes "n1" is forbidden: is not allowed to set the following labels: node-role.kubernetes.io/control-plane',
    ],
    [
      'growing a claim whose class cannot',
      { on: 'persistentvolumeclaims', operation: 'UPDATE', object: size('2Gi'), oldObject: size('1Gi') },
      'persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    ],
    [
      'a second global default',
      { on: 'priorityclasses', namespace: '', object: { metadata: { name: 'b' }, value: 1, globalDefault: true } },
      'priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass a is already marked as global default',
    ],
    [
      'approving without the signer’s verb',
      {
        on: 'certificatesigningrequests/approval',
        operation: 'UPDATE',
        namespace: '',
        user: JANE,
        object: { metadata: { name: 'r' } },
        oldObject: { metadata: { name: 'r' }, spec: { signerName: 'example.com/x' } },
      },
      'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "example.com/x"',
    ],
  ];
  for (const [name, request, message] of refused) {
    test(`refused: ${name}`, async () => {
      const { admit } = setUp(...classes, {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name: 'a' },
        value: 1,
        globalDefault: true,
      } as never);
      assert.equal(await refusal(admit(request)), message);
    });
  }

  test('nobody asks for a certificate of system:masters', async () => {
    // openssl req -new -newkey ec … -subj /O=system:masters/CN=x
    const csr = `-----BEGIN CERTIFICATE REQUEST-----
${CSR}
-----END CERTIFICATE REQUEST-----`;
    const object = {
      metadata: { name: 'r' },
      spec: { signerName: 'kubernetes.io/kube-apiserver-client', request: Buffer.from(csr).toString('base64') },
    };
    assert.match(
      await refusal(setUp().admit({ on: 'certificatesigningrequests', namespace: '', object })),
      /system:masters group is not allowed/,
    );
  });
});

const CSR =
  'MIHgMIGHAgEAMCUxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQowCAYDVQQDDAF4MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElWTG0LKJLIKAiTus0pUyu/uQb9tC3NKIaUvDjykbpQy6g45OgfFbNq2xKJWPIQgN9nrsDFiAVK/k7o6JCc/zfaAAMAoGCCqGSM49BAMCA0gAMEUCIQCTgRPVBvPG2pFR/eA+RfhJv9r6yYCPDnNMUueoJAj0CgIgLmb0CzLuhaI7e3DIYDLerSJi71eY3FXvCaikiYT1/9c=';

test('devices that others use are for namespaces that an administrator labelled', async () => {
  const claim: KubeObject = {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name: 'spy', namespace: 'default' },
    spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpus', adminAccess: true } }] } },
  };
  const message =
    'ResourceClaim.resource.k8s.io "spy" is invalid: spec.devices.requests[0].exactly.adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace';
  assert.equal(await refusal(setUp().admit({ on: 'resourceclaims', object: claim })), message);
  const labelled = setUp(namespace('monitoring', { 'resource.kubernetes.io/admin-access': 'true' }));
  await labelled.admit({ on: 'resourceclaims', object: claim, namespace: 'monitoring' });
});
