/** Secrets at rest, the audit log and certificates, through the real command line and kubectl on simulated pods. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ecRequest } from '../fixtures/certificate-request.ts';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectls } from '../fixtures/machine.ts';

const [kubectl] = await kubectls();
const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: [kubernetes-admin]
    resources: [{group: "", resources: [secrets]}]
`;

describe('what is kept and written down', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'rockpool-data-protection-'));
  const policy = join(folder, 'policy.yaml');
  let cluster: Cluster;
  const inProfile = (...path: string[]): string => join(cluster.home, 'profiles', cluster.profile, ...path);

  before(async () => {
    writeFileSync(policy, POLICY);
    cluster = await startCluster({
      driver: 'sim',
      profile: 'e2e-protected',
      kubectl: kubectl!.path,
      startArgs: ['--audit-policy', policy],
    });
  });
  after(async () => {
    await cluster?.delete();
    rmSync(folder, { recursive: true });
  });

  it('a Secret does not stand in the store as it is; a ConfigMap does', async () => {
    await cluster.kubectl(['create', 'secret', 'generic', 'top', '--from-literal=password=correct-horse-battery']);
    await cluster.kubectl(['create', 'configmap', 'plain', '--from-literal=text=in-plain-sight']);
    const { stdout } = await cluster.kubectl(['get', 'secret', 'top', '-o', 'jsonpath={.data.password}']);
    const store = await readFile(inProfile('data', 'store', 'data.mdb'));
    assert.ok(!store.includes(stdout.slice(0, 16)) && !store.includes('correct-horse'));
    assert.ok(store.includes('k8s:enc:aesgcm:v1:key1:') && store.includes('in-plain-sight'));
  });

  it('the audit log tells who wrote it, and keeps its mouth shut about what', async () => {
    const path = inProfile('data', 'audit', 'audit.log');
    const line = await eventually(async () => {
      const found = (await readFile(path, 'utf8'))
        .split('\n')
        .find((text) => text.includes('"verb":"create"') && text.includes('"name":"top"'));
      assert.ok(found);
      return found;
    });
    const event = JSON.parse(line) as { user: { username: string }; responseStatus: { code: number }; requestObject?: unknown };
    assert.deepEqual([event.user.username, event.responseStatus.code, event.requestObject], ['kubernetes-admin', 201, undefined]);
  });

  it('both outlive a stop, and a mistake in another policy names its field and leaves the cluster be', async () => {
    await cluster.rockpool(['stop']);
    const bad = join(folder, 'bad.yaml');
    writeFileSync(bad, POLICY.replace('Metadata', 'Everything'));
    const refused = await cluster.rockpool(['start', '--audit-policy', bad], { reject: false });
    assert.equal(refused.exitCode, 18);
    assert.match(refused.stderr, /audit policy: rules\[0\]\.level: Unsupported value: "Everything"/);
    await cluster.rockpool(['start']);
    const { stdout } = await cluster.kubectl(['get', 'secret', 'top', '-o', 'jsonpath={.data.password}']);
    assert.equal(Buffer.from(stdout, 'base64').toString(), 'correct-horse-battery');
    await eventually(async () =>
      assert.match(await readFile(inProfile('data', 'audit', 'audit.log'), 'utf8'), /"verb":"get"[^\n]+"name":"top"/),
    );
  });

  it('kubectl certificate approve brings a certificate that signs in', async () => {
    const { request, key } = ecRequest({ commonName: 'jane', organizations: ['devs'] });
    const manifest = {
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { name: 'jane' },
      spec: { request, signerName: 'kubernetes.io/kube-apiserver-client', usages: ['client auth'] },
    };
    await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(manifest) });
    await cluster.kubectl(['certificate', 'approve', 'jane']);
    await cluster.kubectl(['wait', 'csr/jane', '--for=jsonpath={.status.certificate}', '--timeout=30s']);
    const { stdout } = await cluster.kubectl(['get', 'csr', 'jane', '-o', 'jsonpath={.status.certificate}']);
    const certificate = Buffer.from(stdout, 'base64').toString();
    assert.equal(new X509Certificate(certificate).subject, 'O=devs\nCN=jane');
    writeFileSync(join(folder, 'jane.crt'), certificate);
    writeFileSync(join(folder, 'jane.key'), key);
    await cluster.kubectl([
      'config',
      'set-credentials',
      'jane',
      `--client-certificate=${join(folder, 'jane.crt')}`,
      `--client-key=${join(folder, 'jane.key')}`,
    ]);
    const who = await cluster.kubectl([
      '--user=jane',
      'auth',
      'whoami',
      '-o',
      'jsonpath={.status.userInfo.username} {.status.userInfo.groups}',
    ]);
    assert.equal(who.stdout, 'jane ["devs","system:authenticated"]');
  });

  it('cluster IPs, their ranges and the components are there to be seen', async () => {
    const addresses = await cluster.kubectl(['get', 'ipaddresses', '-o', 'jsonpath={.items[*].spec.parentRef.name}']);
    assert.match(addresses.stdout, /\bkubernetes\b/);
    const ranges = await cluster.kubectl(['get', 'servicecidrs', 'kubernetes', '-o', 'jsonpath={.status.conditions[0].message}']);
    assert.equal(ranges.stdout, 'Kubernetes default Service CIDR is ready');
    const { stdout } = await cluster.kubectl([
      'get',
      'componentstatuses',
      '-o',
      'jsonpath={range .items[*]}{.metadata.name}={.conditions[0].status} {end}',
    ]);
    assert.equal(stdout.trim(), 'controller-manager=True etcd-0=True scheduler=True');
  });
});
