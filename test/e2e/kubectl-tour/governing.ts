/** What an administrator does: quotas, limits, security, certificates, nodes. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { execa } from 'execa';
import type { Cluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { stage, type Kubectl } from './stage.ts';

const pod = (name: string, resources: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    containers: [{ name: 'main', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '1000'], resources }],
    terminationGracePeriodSeconds: 0,
  },
});

export function governing(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('governing', { concurrency: 1 }, () => {
    const { out, refused, run, file, namespace, suffix } = stage(cluster, kubectl, 'govern');

    it('a quota refuses what is too much', async () => {
      await out('create', 'quota', 'few', '--hard=pods=1,requests.cpu=500m,count/secrets=1');
      assert.match(
        await refused('create', '-f', file('none.json', pod('none'))),
        /pods "none" is forbidden: failed quota: few: must specify requests\.cpu for: main/,
      );
      await out('create', '-f', file('one.json', pod('one', { requests: { cpu: '300m' } })));
      assert.match(
        await refused('create', '-f', file('two.json', pod('two', { requests: { cpu: '300m' } }))),
        /pods "two" is forbidden: exceeded quota: few, requested: pods=1,requests\.cpu=300m, used: pods=1,requests\.cpu=300m, limited: pods=1,requests\.cpu=500m/,
      );
      await eventually(async () => assert.match(await out('describe', 'quota', 'few'), /pods +1 +1\n/));
      await out('delete', 'quota', 'few');
    });

    it('a limit range gives defaults, and refuses what is outside', async () => {
      const limits = [{ type: 'Container', max: { cpu: '400m' }, default: { cpu: '100m' }, defaultRequest: { cpu: '50m' } }];
      await out(
        'create',
        '-f',
        file('range.json', { apiVersion: 'v1', kind: 'LimitRange', metadata: { name: 'range' }, spec: { limits } }),
      );
      await out('create', '-f', file('given.json', pod('given')));
      assert.equal(
        await out('get', 'pod', 'given', '-o', 'jsonpath={.spec.containers[0].resources}'),
        '{"limits":{"cpu":"100m"},"requests":{"cpu":"50m"}}',
      );
      assert.match(
        await refused('create', '-f', file('big.json', pod('big', { limits: { cpu: '2' } }))),
        /maximum cpu usage per Container is 400m, but limit is 2/,
      );
      assert.match(await out('describe', 'limits', 'range'), /Container +cpu +- +400m +50m +100m/);
      await out('delete', 'limits', 'range');
    });

    it('pod security warns and refuses', async () => {
      await out(
        'label',
        'namespace',
        namespace,
        'pod-security.kubernetes.io/enforce=baseline',
        'pod-security.kubernetes.io/warn=restricted',
      );
      const { stderr } = await run(['create', '-f', file('plain.json', pod('plain'))]);
      assert.match(
        stderr,
        /^Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "main" must set/m,
      );
      const privileged = structuredClone(pod('root')) as { spec: { containers: object[] } };
      Object.assign(privileged.spec.containers[0]!, { securityContext: { privileged: true } });
      assert.match(
        await refused('create', '-f', file('root.json', privileged)),
        /pods "root" is forbidden: violates PodSecurity "baseline:latest": privileged \(container "main" must not set securityContext\.privileged=true\)/,
      );
      await out('label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce-', 'pod-security.kubernetes.io/warn-');
    });

    it('a certificate request is approved, once', async () => {
      const key = file('key.pem', '');
      const { stdout } = await execa('openssl', [
        'req',
        '-new',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        key,
        '-subj',
        '/CN=jane/O=devs',
      ]);
      const spec = {
        request: Buffer.from(stdout).toString('base64'),
        signerName: 'kubernetes.io/kube-apiserver-client',
        usages: ['client auth'],
      };
      const name = `jane-${suffix}`;
      await out(
        'apply',
        '-f',
        file('csr.json', { apiVersion: 'certificates.k8s.io/v1', kind: 'CertificateSigningRequest', metadata: { name }, spec }),
      );
      assert.match(await out('get', 'csr', name), /kubernetes\.io\/kube-apiserver-client +kubernetes-admin .*Pending/);
      assert.equal(await out('certificate', 'approve', name), `certificatesigningrequest.certificates.k8s.io/${name} approved`);
      assert.match(await out('get', 'csr', name), /Approved/);
      assert.match(await refused('certificate', 'deny', name), /already Approved|is already/);
    });

    it('cordon, taint, drain', async () => {
      const node = await out('get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}');
      await out('create', '-f', file('leaving.json', { ...pod('leaving'), metadata: { name: 'leaving', labels: { leaving: suffix } } }));
      await out('wait', 'pod/leaving', '--for=condition=Ready', '--timeout=60s');
      assert.equal(await out('taint', 'node', node, `tour/${suffix}=x:PreferNoSchedule`), `node/${node} tainted`);
      assert.match(await out('describe', 'node', node), new RegExp(`tour/${suffix}=x:PreferNoSchedule`));
      assert.equal(await out('taint', 'node', node, `tour/${suffix}-`), `node/${node} untainted`);
      try {
        assert.equal(await out('cordon', node), `node/${node} cordoned`);
        assert.match(await out('get', 'node', node), /Ready,SchedulingDisabled/);
        assert.match(
          await refused('drain', node, `--pod-selector=leaving=${suffix}`, '--timeout=20s'),
          /declare no controller|not managed by/,
        );
        await out('drain', node, `--pod-selector=leaving=${suffix}`, '--force', '--timeout=60s');
        assert.match(await refused('get', 'pod', 'leaving'), /NotFound/);
      } finally {
        assert.equal(await out('uncordon', node), `node/${node} uncordoned`);
      }
    });
  });
}
