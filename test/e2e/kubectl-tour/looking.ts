/** What is there, and what may I do? */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from '../../fixtures/cluster.ts';
import { stage, type Kubectl } from './stage.ts';

interface Row {
  name: string;
  apiVersion: string;
}

export function looking(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('looking around', { concurrency: 1 }, () => {
    const { out, refused, run, since, namespace } = stage(cluster, kubectl, 'looking');

    it('cluster-info names the control plane and DNS', async () => {
      const text = await out('cluster-info', '-n', 'kube-system');
      assert.match(text, /(?:Kubernetes control plane|master).* is running at .*https:\/\/127\.0\.0\.1:\d+/);
      assert.match(text, /DNS.* is running at .*\/services\/kube-dns:dns\/proxy/);
    });

    it('version tells both sides', async () => {
      const { stdout } = await run(['version', '-o', 'json']);
      const { serverVersion } = JSON.parse(stdout) as { serverVersion: { gitVersion: string } };
      assert.match(serverVersion.gitVersion, /^v1\.36\.\d+/);
    });

    it('api-versions and api-resources list what is served', async () => {
      const versions = (await out('api-versions')).split('\n');
      for (const version of ['v1', 'apps/v1', 'autoscaling/v2', 'batch/v1', 'networking.k8s.io/v1', 'storage.k8s.io/v1'])
        assert.ok(versions.includes(version), version);
      const resources = await out('api-resources');
      assert.match(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m);
      assert.match(await out('api-resources', '--namespaced=false', '-o', 'name'), /^nodes$/m);
      assert.match(await out('api-resources', '--api-group=batch', '--no-headers'), /^cronjobs +cj +batch\/v1 +true +CronJob/m);
    });

    it('explain knows the fields of every kind', async () => {
      const rows = (await out('api-resources', '--no-headers')).split('\n').map(rowOf);
      assert.ok(rows.length > 60);
      const queue = [...rows];
      await Promise.all(
        Array.from({ length: 3 }, async () => {
          for (let row = queue.pop(); row; row = queue.pop()) {
            const text = await out('explain', row.name, `--api-version=${row.apiVersion}`, '--recursive');
            assert.match(text, /^FIELDS:\n[\s\S]*^\s+apiVersion\s+<string>/m, `${row.apiVersion} ${row.name}`);
          }
        }),
      );
    });

    it('explain goes into fields, and says what it does not find', async () => {
      assert.match(await out('explain', 'pod.spec.containers.livenessProbe.httpGet'), /port\s+<.*>/);
      assert.match(await refused('explain', 'pod.spec.nope'), /field "nope" does not exist/);
    });

    it('auth can-i answers for me and for others', async () => {
      assert.equal(await out('auth', 'can-i', 'create', 'pods'), 'yes');
      assert.equal((await run(['auth', 'can-i', 'create', 'pods', '--as=jane'], { reject: false })).stdout.trim(), 'no');
      assert.match(await out('auth', 'can-i', '--list'), /^\*\.\* +\[\] +\[\] +\[\*\]$/m);
      const others = await out('auth', 'can-i', '--list', `--as=system:serviceaccount:${namespace}:default`);
      assert.match(others, /^selfsubjectaccessreviews\.authorization\.k8s\.io +\[\] +\[\] +\[create\]$/m);
      assert.doesNotMatch(others, /^\*\.\*/m);
    });

    it('auth whoami', async (t) => {
      if (!since(28)) return t.skip('came with kubectl 1.28');
      assert.match(await out('auth', 'whoami'), /^Username +kubernetes-admin\n/m);
    });

    it('top says plainly that there are no metrics', async () => {
      assert.match(await refused('top', 'pods'), /Metrics API not available/);
    });

    it('what does not exist is told as Kubernetes tells it', async () => {
      assert.match(await refused('get', 'pods', 'nope'), /^Error from server \(NotFound\): pods "nope" not found/);
      assert.match(await refused('get', 'nosuch'), /the server doesn't have a resource type "nosuch"/);
      assert.match(await refused('get', 'pods', '--field-selector=foo=bar'), /field label not supported: foo/);
      assert.equal((await run(['get', 'pods'])).stderr, `No resources found in ${namespace} namespace.`);
    });
  });
}

/** Read from the right: the short names, in the middle, may be missing. */
function rowOf(line: string): Row {
  const words = line.trim().split(/ +/);
  return { name: words[0]!, apiVersion: words.at(-3)! };
}
