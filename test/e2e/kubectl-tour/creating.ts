/** Every `kubectl create`, and every way to look at what was made. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Cluster } from '../../fixtures/cluster.ts';
import { eventually } from '../../fixtures/eventually.ts';
import { stage, type Kubectl } from './stage.ts';

export function creating(cluster: () => Cluster, kubectl: Kubectl): void {
  describe('creating and getting', { concurrency: 1 }, () => {
    const { out, refused, since, start, suffix } = stage(cluster, kubectl, 'create');

    /** Generator, arguments, what is printed. `since`: older kubectls ask for API versions that are gone. */
    const generators: { args: string[]; printed: string; minor?: number }[] = [
      { args: ['configmap', 'settings', '--from-literal=a=b'], printed: 'configmap/settings created' },
      { args: ['secret', 'generic', 'keys', '--from-literal=p=q'], printed: 'secret/keys created' },
      {
        args: ['secret', 'docker-registry', 'reg', '--docker-username=u', '--docker-password=p', '--docker-server=r.example'],
        printed: 'secret/reg created',
      },
      { args: ['service', 'clusterip', 'inner', '--tcp=80:8080'], printed: 'service/inner created' },
      { args: ['service', 'clusterip', 'headless', '--clusterip=None'], printed: 'service/headless created' },
      { args: ['service', 'nodeport', 'outer', '--tcp=80'], printed: 'service/outer created' },
      { args: ['service', 'loadbalancer', 'balanced', '--tcp=80'], printed: 'service/balanced created' },
      { args: ['service', 'externalname', 'away', '--external-name=example.com'], printed: 'service/away created' },
      { args: ['serviceaccount', 'robot'], printed: 'serviceaccount/robot created' },
      {
        args: ['role', 'reader', '--verb=get,list', '--resource=pods,deployments.apps'],
        printed: 'role.rbac.authorization.k8s.io/reader created',
      },
      {
        args: ['rolebinding', 'readers', '--role=reader', '--user=jane'],
        printed: 'rolebinding.rbac.authorization.k8s.io/readers created',
      },
      {
        args: ['clusterrole', `nodes-${suffix}`, '--verb=get', '--resource=nodes'],
        printed: `clusterrole.rbac.authorization.k8s.io/nodes-${suffix} created`,
      },
      {
        args: ['clusterrole', `urls-${suffix}`, '--verb=get', '--non-resource-url=/logs'],
        printed: `clusterrole.rbac.authorization.k8s.io/urls-${suffix} created`,
      },
      {
        args: ['clusterrolebinding', `nodes-${suffix}`, `--clusterrole=nodes-${suffix}`, '--group=devs'],
        printed: `clusterrolebinding.rbac.authorization.k8s.io/nodes-${suffix} created`,
      },
      { args: ['deployment', 'web', '--image=nginx', '--replicas=2', '--port=80'], printed: 'deployment.apps/web created' },
      { args: ['job', 'hello', '--image=busybox', '--', 'echo', 'hello'], printed: 'job.batch/hello created' },
      {
        args: ['cronjob', 'often', '--image=busybox', '--schedule=*/5 * * * *', '--', 'date'],
        printed: 'cronjob.batch/often created',
        minor: 21,
      },
      {
        args: ['ingress', 'page', '--class=nginx', '--rule=web.example/*=web:80,tls=cert'],
        printed: 'ingress.networking.k8s.io/page created',
      },
      {
        args: ['poddisruptionbudget', 'some', '--selector=app=web', '--min-available=1'],
        printed: 'poddisruptionbudget.policy/some created',
        minor: 21,
      },
      { args: ['quota', 'few', '--hard=pods=20,count/deployments.apps=5'], printed: 'resourcequota/few created' },
      {
        args: ['priorityclass', `high-${suffix}`, '--value=100', '--description=x'],
        printed: `priorityclass.scheduling.k8s.io/high-${suffix} created`,
      },
      { args: ['namespace', `made-${suffix}`], printed: `namespace/made-${suffix} created` },
    ];

    it('every generator makes its object', async () => {
      for (const { args, printed, minor = 0 } of generators) if (since(minor)) assert.equal(await out('create', ...args), printed);
    });

    it('a job from a cron job', async (t) => {
      if (!since(21)) return t.skip('older kubectls know CronJob v1beta1 only');
      assert.equal(await out('create', 'job', 'now', '--from=cronjob/often'), 'job.batch/now created');
      assert.equal(await out('get', 'job', 'now', '-o', 'jsonpath={.metadata.ownerReferences[0].kind}'), 'CronJob');
    });

    it('a token', async (t) => {
      if (!since(24)) return t.skip('came with kubectl 1.24');
      const token = await out('create', 'token', 'robot', '--duration=1h');
      const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { sub: string; exp: number; iat: number };
      assert.match(claims.sub, /:robot$/);
      assert.equal(claims.exp - claims.iat, 3600);
    });

    it('what is there already is not made again', async () => {
      assert.match(await refused('create', 'configmap', 'settings'), /configmaps "settings" already exists/);
    });

    it('wide, with columns, sorted, labelled', async () => {
      assert.match(
        await out('get', 'deployments', '-o', 'wide'),
        /NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nweb +\d\/2 .* nginx +nginx +app=web/,
      );
      assert.match(await out('get', 'services'), /away +ExternalName +<none> +example\.com +<none>/);
      assert.match(await out('get', 'services'), /headless +ClusterIP +None +<none> +<none>/);
      const names = (
        await out('get', 'services', '--sort-by=.metadata.name', '-o', 'custom-columns=N:.metadata.name,T:.spec.type', '--no-headers')
      ).split('\n');
      assert.deepEqual(
        names.map((line) => line.split(/ +/)[0]),
        ['away', 'balanced', 'headless', 'inner', 'outer'],
      );
      assert.match(await out('get', 'deployments', '-L', 'app', '--show-labels'), /APP +LABELS\n.* web +app=web$/);
      assert.match(await out('get', 'configmaps', '-A'), /^NAMESPACE +NAME +DATA +AGE\n/);
      assert.match(await out('get', 'ingress'), /page +nginx +web\.example .*80, 443/);
    });

    it('yaml, json, jsonpath, templates and names', async () => {
      assert.match(await out('get', 'configmap', 'settings', '-o', 'yaml'), /^apiVersion: v1\ndata:\n {2}a: b\nkind: ConfigMap\n/);
      const list = JSON.parse(await out('get', 'configmaps', '-o', 'json')) as { kind: string; items: unknown[] };
      assert.equal(list.kind, 'List');
      assert.equal(await out('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[*].image}'), 'nginx');
      assert.equal(await out('get', 'configmap', 'settings', '-o', 'go-template={{.data.a}}'), 'b');
      assert.match(await out('get', 'secrets', '-o', 'name'), /^secret\/keys$/m);
      assert.match(await out('get', 'deployments,services', '-o', 'name'), /^deployment\.apps\/web\nservice\//);
    });

    it('by label and by field', async () => {
      await out('rollout', 'status', 'deployment/web', '--timeout=60s');
      const running = await out('get', 'pods', '--field-selector=status.phase=Running', '-l', 'app in (web)', '-o', 'name');
      assert.equal(running.split('\n').length, 2);
      assert.equal(await out('get', 'pods', '-l', 'app notin (web),job-name!=hello,!job-name', '-o', 'name'), '');
    });

    it('watch shows what happens', async () => {
      const watch = start('get', 'configmaps', '--watch', '-o', 'name');
      await eventually(() => assert.match(watch.printed(), /configmap\/settings/));
      await out('create', 'configmap', 'later');
      await eventually(() => assert.match(watch.printed(), /configmap\/later/));
      await watch.stop();
    });

    it('describe tells of every kind that can be made', async () => {
      const described: [string, RegExp][] = [
        ['deployment/web', /^Name: +web\n[\s\S]*Replicas: +2 desired[\s\S]*NewReplicaSet: +web-/],
        ['service/inner', /TargetPort: +8080\/TCP/],
        ['job/hello', /Completions: +1/],
        ['role/reader', /deployments\.apps +\[\] +\[\] +\[get list\]/],
        ['rolebinding/readers', /User +jane/],
        ['secret/keys', /p: +1 bytes/],
        ['serviceaccount/robot', /^Name: +robot/],
        ['configmap/settings', /a:\n----\nb/],
        ['quota/few', /count\/deployments\.apps/],
        [`clusterrole/nodes-${suffix}`, /nodes +\[\] +\[\] +\[get\]/],
        [`priorityclass/high-${suffix}`, /Value: +100/],
        [`namespace/made-${suffix}`, /Status: +Active/],
        ['storageclass', /IsDefaultClass: +Yes/],
        ['nodes', /Conditions:[\s\S]*Ready +True[\s\S]*Allocated resources:/],
      ];
      if (since(21))
        described.push(
          ['cronjob/often', /Schedule: +\*\/5 \* \* \* \*/],
          ['pdb/some', /Min available: +1/],
          ['ingress/page', /web\.example\s+\n?\s+\/ +web:80/],
        );
      for (const [what, expected] of described) assert.match(await out('describe', ...what.split('/')), expected, what);
      await eventually(async () => assert.match(await out('describe', 'pods', '-l', 'app=web'), /Ready +True/));
    });
  });
}
