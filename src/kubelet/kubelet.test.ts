/** The kubelet on a real containerd against a real API server: what a user of pods sees. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { containerdMissing } from '../../test/fixtures/containerd.ts';
import { eventually } from '../../test/fixtures/eventually.ts';
import { NODE, startTestNode, type TestNode } from '../../test/fixtures/node.ts';
import type { Pod } from '../api/types.gen.ts';
import { CONFIG_MAPS, LEASES, NODES, PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS, SECRETS, SERVICES } from '../client/resources.ts';

const isReady = (pod: Pod): boolean => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
const conditionOf = (pod: Pod, type: string) => pod.status?.conditions?.find((one) => one.type === type);
const waitingReason = (pod: Pod): string | undefined => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason;
const SLEEP = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'];

describe('kubelet on containerd', { skip: containerdMissing() ?? false }, () => {
  let node: TestNode;
  before(async () => {
    node = await startTestNode({ subnet: '10.199.2.0/24' });
  });
  after(() => node.close());

  const output = async (name: string, container = 'main', file = '0.log'): Promise<string> => {
    const { uid } = (await node.client.resource(PODS, 'default').get(name)).metadata;
    const text = await readFile(path.join(node.dir, 'logs', `default_${name}_${uid}`, container, file), 'utf8');
    return text.replaceAll(/^\S+ \S+ [PF] /gm, '');
  };

  test('the node is registered, Ready, and keeps its lease', async () => {
    const registered = await node.client.resource(NODES).get(NODE);
    assert.equal(registered.status?.conditions?.find((one) => one.type === 'Ready')?.status, 'True');
    assert.equal(registered.metadata.labels?.['kubernetes.io/hostname'], NODE);
    assert.match(registered.status?.nodeInfo?.containerRuntimeVersion ?? '', /^containerd:\/\/\d/);
    assert.equal(registered.status?.daemonEndpoints?.kubeletEndpoint?.Port, node.kubelet.port);
    await eventually(async () =>
      assert.equal((await node.client.resource(LEASES, 'kube-node-lease').get(NODE)).spec?.holderIdentity, NODE),
    );
  });

  test('a pod becomes Ready with its address, and is gone after delete, with everything that it had', async () => {
    await node.run('web', { containers: [{ name: 'main', command: SLEEP }], terminationGracePeriodSeconds: 10 });
    const pod = await node.until('web', isReady);
    assert.match(pod.status?.podIP ?? '', /^10\.199\.2\./);
    assert.equal(conditionOf(pod, 'Ready')?.reason, undefined);
    assert.deepEqual(
      pod.status?.conditions?.map((one) => one.type),
      ['PodReadyToStartContainers', 'Initialized', 'Ready', 'ContainersReady', 'PodScheduled'],
    );
    await node.client.resource(PODS, 'default').delete('web');
    await node.gone('web');
    const { uid } = pod.metadata;
    assert.equal(existsSync(path.join(node.dir, 'kubelet/pods', uid!)), false);
    assert.equal(existsSync(path.join(node.dir, 'logs', `default_web_${uid}`)), false);
    assert.equal(existsSync(`/sys/fs/cgroup/memory/${node.containerd.cgroupParent}/besteffort/pod${uid}`), false);
    assert.deepEqual(
      (await node.containerd.runtime.listPodSandboxes()).filter((sandbox) => sandbox.uid === uid),
      [],
    );
    assert.ok((await node.events('web')).includes('Killing: Stopping container main'));
  });

  test('env: values, expansion, field, resource, config map, secret, envFrom, services', async () => {
    await node.client.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'settings' }, data: { colour: 'blue', SIZE: 'xl' } });
    await node.client
      .resource(SECRETS, 'default')
      .create({ metadata: { name: 'keys' }, data: { token: Buffer.from('s3cret').toString('base64') } });
    await node.client.resource(SERVICES, 'default').create({ metadata: { name: 'my-db' }, spec: { ports: [{ name: 'sql', port: 5432 }] } });
    await node.run('env', {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'main',
          command: ['sh', '-c'],
          args: ["env; echo 'arg=$(GREETING)'"],
          resources: { limits: { memory: '64Mi' } },
          envFrom: [{ prefix: 'CM_', configMapRef: { name: 'settings' } }],
          env: [
            { name: 'WHO', value: 'world' },
            { name: 'GREETING', value: 'hello $(WHO) $(MISSING) $$(WHO)' },
            { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
            { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
            { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
          ],
        },
      ],
    });
    const pod = await node.until('env', (one) => one.status?.phase === 'Succeeded');
    const lines = (await output('env')).split('\n');
    for (const line of [
      'GREETING=hello world $(MISSING) $(WHO)',
      'POD=env',
      `IP=${pod.status?.podIP}`,
      'MEM=64',
      'TOKEN=s3cret',
      'CM_colour=blue',
      'CM_SIZE=xl',
      'MY_DB_SERVICE_PORT=5432',
      'MY_DB_SERVICE_PORT_SQL=5432',
      'KUBERNETES_SERVICE_PORT=443',
      'arg=hello world $(MISSING) $(WHO)',
      'HOSTNAME=env',
    ]) {
      assert.ok(lines.includes(line), `${line} in ${lines.join(' | ')}`);
    }
    assert.equal(pod.status?.qosClass, 'Burstable');
    const { state } = pod.status.containerStatuses![0]!;
    assert.equal(state?.terminated?.reason, 'Completed');
  });

  test('init containers run in order, sidecars stay, phases follow', async () => {
    await node.run('init', {
      restartPolicy: 'Never',
      initContainers: [
        {
          name: 'one',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', 'echo one > /shared/log'],
          volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
        },
        { name: 'side', image: 'busybox', imagePullPolicy: 'IfNotPresent', restartPolicy: 'Always', command: SLEEP },
        {
          name: 'two',
          image: 'busybox',
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', 'echo two >> /shared/log'],
          volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
        },
      ],
      containers: [{ name: 'main', command: ['cat', '/shared/log'], volumeMounts: [{ name: 'shared', mountPath: '/shared' }] }],
      volumes: [{ name: 'shared', emptyDir: {} }],
    });
    const pod = await node.until('init', (one) => one.status?.phase === 'Succeeded');
    assert.equal(await output('init'), 'one\ntwo\n');
    assert.deepEqual(
      pod.status?.initContainerStatuses?.map((one) => [one.name, one.state?.terminated?.reason]),
      [
        ['one', 'Completed'],
        ['side', 'Completed'],
        ['two', 'Completed'],
      ],
    );
    assert.equal(conditionOf(pod, 'Initialized')?.status, 'True');
  });

  test('a failing container is restarted with back-off and its last state, message and count are told', async () => {
    await node.run('crash', { containers: [{ name: 'main', command: ['sh', '-c', 'echo sorry > /dev/termination-log; exit 3'] }] });
    const pod = await node.until('crash', (one) => waitingReason(one) === 'CrashLoopBackOff');
    const status = pod.status!.containerStatuses![0]!;
    assert.equal(status.lastState?.terminated?.exitCode, 3);
    assert.equal(status.lastState?.terminated?.message, 'sorry\n');
    assert.equal(status.restartCount, 1);
    assert.equal(pod.status?.phase, 'Running');
    assert.equal(status.state?.waiting?.message, `back-off 10s restarting failed container=main pod=crash_default(${pod.metadata.uid})`);
    const events = await node.events('crash');
    assert.ok(
      events.includes(`BackOff: Back-off restarting failed container main in pod crash_default(${pod.metadata.uid})`),
      events.join('\n'),
    );
    await node.client.resource(PODS, 'default').delete('crash');
    await node.gone('crash');
  });

  test("what hinders a container is told in upstream's words and mended when the cause is", async () => {
    await node.client.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'other' }, data: {} });
    await node.run('nocm', {
      containers: [{ name: 'main', command: SLEEP, env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'late', key: 'k' } } }] }],
    });
    await node.run('nokey', {
      containers: [
        { name: 'main', command: SLEEP, env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'other', key: 'absent' } } }] },
      ],
    });
    await node.run('noimage', { containers: [{ name: 'main', image: '127.0.0.1:1/none', command: SLEEP }] });
    await node.run('never', { containers: [{ name: 'main', image: 'busybox:absent', imagePullPolicy: 'Never' }] });
    await node.run('badcommand', { containers: [{ name: 'main', command: ['/nope'] }] });
    await node.run('badname', { containers: [{ name: 'main', image: 'not//valid' }] });
    const message = async (name: string, reason: string) => {
      const pod = await node.until(name, (one) => waitingReason(one) === reason);
      return pod.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '';
    };
    assert.equal(await message('nocm', 'CreateContainerConfigError'), 'configmap "late" not found');
    assert.equal(await message('nokey', 'CreateContainerConfigError'), "couldn't find key absent in ConfigMap default/other");
    assert.match(await message('noimage', 'ErrImagePull'), /failed to pull and unpack image "127\.0\.0\.1:1\/none:latest"/);
    assert.equal(await message('never', 'ErrImageNeverPull'), 'Container image "busybox:absent" is not present with pull policy of Never');
    assert.match(await message('badname', 'InvalidImageName'), /couldn't parse image/);
    const bad = await node.until('badcommand', (one) => ['RunContainerError', 'CrashLoopBackOff'].includes(waitingReason(one) ?? ''));
    assert.match(JSON.stringify(bad.status), /nope/);
    await node.client.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'late' }, data: { k: 'v' } });
    await node.until('nocm', isReady);
    assert.match(
      await message('noimage', 'ImagePullBackOff'),
      /^Back-off pulling image "127\.0\.0\.1:1\/none": ErrImagePull: failed to pull/,
    );
    const told = await node.events('noimage');
    for (const event of [
      'Pulling: Pulling image "127.0.0.1:1/none"',
      'Failed: Error: ErrImagePull',
      'BackOff: Back-off pulling image "127.0.0.1:1/none"',
      'Failed: Error: ImagePullBackOff',
    ]) {
      assert.ok(told.includes(event), `${event} in ${told.join(' | ')}`);
    }
  });

  test('volumes: config map refreshed in place, secret, downward API, token, subPath, memory, host path', async () => {
    await node.client
      .resource(SECRETS, 'default')
      .create({ metadata: { name: 'file-keys' }, data: { token: Buffer.from('s3cret').toString('base64') } });
    await node.client.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'files' }, data: { 'a.txt': 'first', 'b.txt': 'bee' } });
    await node.run(
      'volumes',
      {
        securityContext: { fsGroup: 2000 },
        containers: [
          {
            name: 'main',
            command: [
              'sh',
              '-c',
              'cat /cm/a.txt /one/b.txt /secret/token /down/labels /token/jwt; echo; ls -ln /mem | head -1; stat -Lc %g /token/jwt; cat /host; while ! grep -q second /cm/a.txt; do sleep 0.05; done; echo seen; while ! grep -q more /down/labels; do sleep 0.05; done; echo relabelled; sleep 1000',
            ],
            volumeMounts: [
              { name: 'cm', mountPath: '/cm' },
              { name: 'cm', mountPath: '/one/b.txt', subPath: 'b.txt' },
              { name: 'secret', mountPath: '/secret' },
              { name: 'down', mountPath: '/down' },
              { name: 'token', mountPath: '/token' },
              { name: 'mem', mountPath: '/mem' },
              { name: 'host', mountPath: '/host' },
            ],
          },
        ],
        volumes: [
          { name: 'cm', configMap: { name: 'files' } },
          { name: 'secret', secret: { secretName: 'file-keys', defaultMode: 0o400 } },
          { name: 'down', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 'jwt', expirationSeconds: 600 } }] } },
          { name: 'mem', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          { name: 'host', hostPath: { path: '/etc/hostname', type: 'File' } },
        ],
      },
      { labels: { app: 'vol' } },
    );
    await node.until('volumes', isReady);
    await eventually(async () => assert.match(await output('volumes'), /^firstbees3cretapp="vol"ey[\w.-]+\ntotal 0\n2000\n/));
    await node.client.resource(CONFIG_MAPS, 'default').patch('files', 'merge', { data: { 'a.txt': 'second' } });
    await eventually(async () => assert.match(await output('volumes'), /seen/));
    await node.client.resource(PODS, 'default').patch('volumes', 'merge', { metadata: { labels: { extra: 'more' } } });
    await eventually(async () => assert.match(await output('volumes'), /relabelled/));
    await node.client.resource(PODS, 'default').delete('volumes');
    await node.gone('volumes');
    assert.doesNotMatch(await readFile('/proc/self/mountinfo', 'utf8'), new RegExp(node.dir));
  });

  test('a claim is waited for until it is bound, then its folder is mounted', async () => {
    const folder = path.join(node.dir, 'pv');
    await node.client.resource(PERSISTENT_VOLUMES).create({
      metadata: { name: 'pv' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        storageClassName: 'by-hand',
        claimRef: { namespace: 'default', name: 'data' },
        hostPath: { path: folder, type: 'DirectoryOrCreate' },
      },
    });
    const claims = node.client.resource(PERSISTENT_VOLUME_CLAIMS, 'default');
    await claims.create({
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'by-hand', volumeName: 'pv', resources: { requests: { storage: '1Gi' } } },
    });
    await node.run('claims', {
      containers: [
        {
          name: 'main',
          command: ['sh', '-c', 'echo kept > /data/file; trap "exit 0" TERM; while :; do sleep 0.1; done'],
          volumeMounts: [{ name: 'v', mountPath: '/data' }],
        },
      ],
      volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
    });
    await eventually(async () =>
      assert.match(
        (await node.events('claims')).join('\n'),
        /FailedMount: MountVolume.SetUp failed for volume "v" : PVC default\/data is not bound/,
      ),
    );
    await claims.patch('data', 'merge', { status: { phase: 'Bound' } }, 'status');
    await node.until('claims', isReady);
    await node.client.resource(PODS, 'default').delete('claims');
    await node.gone('claims');
    assert.equal(await readFile(path.join(folder, 'file'), 'utf8'), 'kept\n');
  });

  test('a missing volume source holds the pod back with FailedMount until it is there', async () => {
    await node.run('mount', {
      containers: [{ name: 'main', command: SLEEP, volumeMounts: [{ name: 'v', mountPath: '/v' }] }],
      volumes: [{ name: 'v', configMap: { name: 'later' } }],
    });
    await eventually(async () =>
      assert.ok(
        (await node.events('mount')).includes('FailedMount: MountVolume.SetUp failed for volume "v" : configmap "later" not found'),
      ),
    );
    assert.equal(waitingReason(await node.client.resource(PODS, 'default').get('mount')), 'ContainerCreating');
    await node.client.resource(CONFIG_MAPS, 'default').create({ metadata: { name: 'later' }, data: { k: 'v' } });
    await node.until('mount', isReady, 5000);
  });

  test('probes: readiness decides Ready, liveness restarts', async () => {
    await node.run('ready', {
      containers: [
        {
          name: 'main',
          command: ['sh', '-c', 'mkdir /www; echo ok > /www/index.html; httpd -f -p 8080 -h /www & while :; do sleep 0.1; done'],
          ports: [{ name: 'http', containerPort: 8080 }],
          readinessProbe: { httpGet: { port: 'http', path: '/' }, periodSeconds: 1 },
        },
      ],
    });
    await node.run('live', {
      containers: [
        { name: 'main', command: SLEEP, livenessProbe: { exec: { command: ['cat', '/absent'] }, periodSeconds: 1, failureThreshold: 1 } },
      ],
    });
    await node.run('unready', {
      containers: [{ name: 'main', command: SLEEP, readinessProbe: { tcpSocket: { port: 9 }, periodSeconds: 1 } }],
    });
    await node.until('ready', isReady);
    await node.until('live', (one) => (one.status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
    const live = await node.events('live');
    assert.ok(live.includes('Killing: Container main failed liveness probe, will be restarted'), live.join('\n'));
    assert.ok(
      live.some((event) => event.startsWith("Unhealthy: Liveness probe failed: cat: can't open '/absent'")),
      live.join('\n'),
    );
    await eventually(async () =>
      assert.ok(
        (await node.events('unready')).some((event) =>
          /^Unhealthy: Readiness probe failed: dial tcp [\d.]+:9: connect: connection refused/.test(event),
        ),
      ),
    );
    const unready = await node.client.resource(PODS, 'default').get('unready');
    assert.equal(conditionOf(unready, 'Ready')?.message, 'containers with unready status: [main]');
    for (const name of ['ready', 'live', 'unready']) await node.client.resource(PODS, 'default').delete(name);
    for (const name of ['ready', 'live', 'unready']) await node.gone(name);
  });

  test('hooks run, resources and identity reach the container, hosts and resolver are ours', async () => {
    await node.run('inside', {
      restartPolicy: 'Never',
      hostname: 'box',
      subdomain: 'sub',
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['alias.test'] }],
      securityContext: { runAsUser: 1000, runAsGroup: 1000 },
      containers: [
        {
          name: 'main',
          command: [
            'sh',
            '-c',
            'id; hostname; cat /etc/hosts /etc/resolv.conf; while ! test -f /tmp/hook; do sleep 0.05; done; echo hooked',
          ],
          lifecycle: { postStart: { exec: { command: ['touch', '/tmp/hook'] } } },
          resources: { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '32Mi' } },
        },
      ],
    });
    const { status } = await node.until('inside', (one) => one.status?.phase === 'Succeeded');
    const text = await output('inside');
    assert.match(text, /uid=1000 gid=1000/);
    assert.match(text, /^box$/m);
    assert.ok(text.includes(`${status?.podIP}\tbox.sub.default.svc.cluster.local\tbox`), text);
    assert.match(text, /1\.2\.3\.4\talias\.test/);
    assert.match(text, /nameserver 10\.96\.0\.10/);
    assert.match(text, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
    assert.match(text, /options ndots:5/);
    assert.match(text, /hooked/);
  });

  test('a deadline ends the pod; a job-like pod fails with its exit code', async () => {
    await node.run('deadline', { activeDeadlineSeconds: 1, containers: [{ name: 'main', command: SLEEP }] });
    await node.run('fails', { restartPolicy: 'Never', containers: [{ name: 'main', command: ['sh', '-c', 'exit 5'] }] });
    const failed = await node.until('fails', (one) => one.status?.phase === 'Failed');
    assert.equal(failed.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 5);
    const late = await node.until('deadline', (one) => one.status?.phase === 'Failed');
    assert.equal(late.status?.reason, 'DeadlineExceeded');
  });

  test('what this node cannot do is told and not ignored', async () => {
    await node.run('userns', { hostUsers: false, containers: [{ name: 'main', command: SLEEP }] });
    await node.run('imagevolume', {
      containers: [{ name: 'main', command: SLEEP }],
      volumes: [{ name: 'v', image: { reference: 'busybox' } }],
    });
    await eventually(async () =>
      assert.ok(
        (await node.events('userns')).includes(
          'FailedCreatePodSandBox: Failed to create pod sandbox: spec.hostUsers: false: user namespaces are not supported on this node',
        ),
      ),
    );
    await eventually(async () =>
      assert.ok(
        (await node.events('imagevolume')).includes(
          'FailedMount: MountVolume.SetUp failed for volume "v" : volume source image is not supported',
        ),
      ),
    );
    for (const name of ['userns', 'imagevolume']) await node.client.resource(PODS, 'default').delete(name);
    for (const name of ['userns', 'imagevolume']) await node.gone(name);
  });
});
