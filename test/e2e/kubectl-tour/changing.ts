/** apply in both ways, patches of all types, and the small changes: label, annotate, scale, set. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from '../../fixtures/cluster.ts';
import { deployment, stage, type Kubectl } from './stage.ts';

const configMap = (data: Record<string, string>): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data });

export function applying(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('applying', { concurrency: 1 }, () => {
    const { out, refused, run, file, since } = stage(cluster, kubectl, 'apply');

    it('server-side: a conflict is shown, and forced', async () => {
      const mine = file('mine.json', configMap({ a: '1', b: '2' }));
      const theirs = file('theirs.json', configMap({ a: 'changed' }));
      assert.equal(await out('apply', '--server-side', '-f', mine), 'configmap/applied serverside-applied');
      assert.match(
        await refused('apply', '--server-side', '--field-manager=other', '-f', theirs),
        /Apply failed with 1 conflict: conflict with "kubectl"(?: using v1)?: \.data\.a/,
      );
      assert.equal(
        await out('apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', theirs),
        'configmap/applied serverside-applied',
      );
      assert.equal(await out('get', 'configmap', 'applied', '-o', 'jsonpath={.data}'), '{"a":"changed","b":"2"}');
      const managers = await out('get', 'configmap', 'applied', '-o', `jsonpath={.metadata.managedFields[*]['manager','operation']}`);
      assert.match(managers, /kubectl.*other|other.*kubectl/);
    });

    it('client-side: diff, dry run, apply, nothing left to do', async () => {
      const first = file('first.json', deployment('app', 'nginx:1.26'));
      const second = file('second.json', deployment('app', 'nginx', 2));
      assert.equal(await out('apply', '-f', first), 'deployment.apps/app created');
      const { exitCode, stdout } = await run(['diff', '-f', second], { reject: false });
      assert.equal(exitCode, 1);
      assert.match(stdout, /^- {2}replicas: 1\n\+ {2}replicas: 2$/m);
      assert.match(stdout, /^- +- image: nginx:1\.26\n\+ +- image: nginx$/m);
      assert.equal(await out('apply', '-f', second, '--dry-run=server'), 'deployment.apps/app configured (server dry run)');
      assert.equal(await out('get', 'deployment', 'app', '-o', 'jsonpath={.spec.replicas}'), '1');
      assert.equal(await out('apply', '-f', second), 'deployment.apps/app configured');
      assert.equal(await out('apply', '-f', second), 'deployment.apps/app unchanged');
      assert.equal(await out('diff', '-f', second), '');
      assert.match(await out('apply', 'view-last-applied', 'deployment', 'app'), /image: nginx\n/);
    });

    it('replace, by force too', async () => {
      const first = file('first.json', deployment('app', 'nginx:1.26'));
      const uid = await out('get', 'deployment', 'app', '-o', 'jsonpath={.metadata.uid}');
      assert.match(await out('replace', '--force', '-f', first), /deployment\.apps\/app replaced/);
      assert.notEqual(await out('get', 'deployment', 'app', '-o', 'jsonpath={.metadata.uid}'), uid);
    });

    it('kustomize: names, labels and generated config maps', async () => {
      file('kustom/app.json', deployment('kustom', 'nginx'));
      const kustomization = file(
        'kustom/kustomization.yaml',
        'namePrefix: my-\nresources: [app.json]\nconfigMapGenerator: [{name: made, literals: [a=b]}]\n',
      );
      const folder = kustomization.slice(0, kustomization.lastIndexOf('/'));
      assert.match(await out('apply', '-k', folder), /configmap\/my-made-\w+ created\ndeployment\.apps\/my-kustom created/);
      assert.match(await out('delete', '-k', folder), /deployment\.apps "my-kustom" deleted/);
    });

    it('what is wrong is refused with its path', async () => {
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'wrong' }, spec: { containers: [{ name: 'x', imagee: 'y' }] } };
      const unknown = await refused('create', '-f', file('unknown.json', pod));
      assert.match(unknown, since(27) ? /strict decoding error: unknown field "spec\.containers\[0\]\.imagee"/ : /unknown field "imagee"/);
      assert.match(
        await refused('create', '--validate=false', '-f', file('unknown.json', pod)),
        /^The Pod "wrong" is invalid: spec\.containers\[0\]\.image: Required value/m,
      );
    });
  });
}

export function changing(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('changing', { concurrency: 1 }, () => {
    const { out, refused, run, file, since } = stage(cluster, kubectl, 'change');
    const app = (path: string): Promise<string> => out('get', 'deployment', 'app', '-o', `jsonpath={${path}}`);

    it('patches of all types', async () => {
      await out('apply', '-f', file('app.json', deployment('app', 'nginx')));
      const strategic = { spec: { template: { spec: { containers: [{ name: 'nginx', env: [{ name: 'A', value: 'b' }] }] } } } };
      assert.equal(await out('patch', 'deployment', 'app', '-p', JSON.stringify(strategic)), 'deployment.apps/app patched');
      assert.equal(await app('.spec.template.spec.containers[0].image'), 'nginx'); // merged by name, not replaced
      await out('patch', 'deployment', 'app', '--type=json', '-p', '[{"op":"replace","path":"/spec/replicas","value":0}]');
      assert.equal(await app('.spec.replicas'), '0');
      await out('patch', 'deployment', 'app', '--type=merge', '-p', '{"metadata":{"annotations":{"x":"y"}}}');
      assert.equal(await app('.metadata.annotations.x'), 'y');
      if (since(24)) await out('patch', 'deployment', 'app', '--subresource=scale', '--type=merge', '-p', '{"spec":{"replicas":1}}');
      assert.match(
        await refused('patch', 'deployment', 'app', '-p', '{"spec":{"selector":{"matchLabels":{"x":"y"}}}}'),
        /spec\.selector: Invalid value: .*: field is immutable/,
      );
    });

    it('edit opens the object in the editor', async () => {
      const edited = await run(['edit', 'deployment', 'app'], { env: { KUBE_EDITOR: `sed -i 's/image: nginx$/image: nginx:1.26/'` } });
      assert.equal(edited.stdout, 'deployment.apps/app edited');
      assert.equal(await app('.spec.template.spec.containers[0].image'), 'nginx:1.26');
      const unchanged = await run(['edit', 'deployment', 'app'], { env: { KUBE_EDITOR: 'true' } });
      assert.match(unchanged.stdout + unchanged.stderr, /Edit cancelled, no changes made/);
      if (!since(27)) return;
      const mistaken = await run(['edit', 'deployment', 'app'], {
        env: { KUBE_EDITOR: `sed -i '/^spec:/a\\  replicaz: 2'` },
        reject: false,
      });
      assert.match(mistaken.stderr, /deployments\.apps "app" is invalid/);
    });

    it('labels and annotations', async () => {
      assert.equal(await out('label', 'deployment', 'app', 'tier=front'), 'deployment.apps/app labeled');
      assert.match(await refused('label', 'deployment', 'app', 'tier=back'), /already has a value \(front\), and --overwrite is false/);
      await out('label', 'deployment', 'app', 'tier=back', '--overwrite');
      assert.equal(await app('.metadata.labels.tier'), 'back');
      await out('label', 'deployment', 'app', 'tier-');
      await out('annotate', 'deployment', 'app', 'note=hi');
      assert.equal(await app(`.metadata['labels.tier','annotations.note']`), 'hi');
    });

    it('scale and autoscale', async () => {
      assert.equal(await out('scale', 'deployment', 'app', '--replicas=2'), 'deployment.apps/app scaled');
      assert.match(
        await refused('scale', 'deployment', 'app', '--current-replicas=9', '--replicas=1'),
        /[Ee]xpected replicas to be 9, was 2/,
      );
      assert.equal(
        await out('autoscale', 'deployment', 'app', '--min=1', '--max=5', '--cpu-percent=50'),
        'horizontalpodautoscaler.autoscaling/app autoscaled',
      );
      assert.match(await out('get', 'hpa'), /app +Deployment\/app +(?:cpu: )?<unknown>\/50% +1 +5 /);
      assert.match(
        await out('describe', 'hpa', 'app'),
        /resource cpu on pods +\(as a percentage of request\): +<unknown> \/ 50%|Target CPU utilization: +50%/,
      );
    });

    it('set image, env, resources, service account, selector and subject', async () => {
      await out('create', 'configmap', 'settings', '--from-literal=mode=fast');
      await out('create', 'serviceaccount', 'robot');
      await out('create', 'service', 'clusterip', 'app', '--tcp=80');
      await out('create', 'role', 'reader', '--verb=get', '--resource=pods');
      await out('create', 'rolebinding', 'readers', '--role=reader', '--user=jane');
      await out('set', 'image', 'deployment/app', 'nginx=nginx');
      await out('set', 'env', 'deployment/app', 'K=V');
      await out('set', 'env', 'deployment/app', '--from=configmap/settings');
      assert.match(await out('set', 'env', 'deployment/app', '--list'), /K=V\n# MODE from configmap settings, key mode/);
      await out('set', 'resources', 'deployment/app', '--limits=cpu=200m,memory=128Mi');
      assert.equal(await app('.spec.template.spec.containers[0].resources.limits.cpu'), '200m');
      await out('set', 'serviceaccount', 'deployment/app', 'robot');
      assert.equal(await app('.spec.template.spec.serviceAccountName'), 'robot');
      await out('set', 'selector', 'service', 'app', 'app=other');
      assert.equal(await out('get', 'service', 'app', '-o', 'jsonpath={.spec.selector.app}'), 'other');
      await out('set', 'subject', 'rolebinding', 'readers', '--user=bob');
      assert.equal(await out('get', 'rolebinding', 'readers', '-o', 'jsonpath={.subjects[*].name}'), 'jane bob');
    });
  });
}
