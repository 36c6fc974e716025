/** The manifests of old tutorials, with the addon that serves their versions: applied, seen in both versions, and gone without a restart. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectls } from '../fixtures/machine.ts';
import { execa } from 'execa';

const available = await kubectls();

/** As tutorials of 2017 had it: no selector, and a Service's name and port side by side. */
const TUTORIAL = `apiVersion: extensions/v1beta1
kind: Deployment
metadata:
  name: hello
spec:
  replicas: 2
  template:
    metadata:
      labels: { app: hello }
    spec:
      containers:
        - { name: hello, image: nginx, ports: [{ containerPort: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: hello }
spec:
  selector: { app: hello }
  ports: [{ port: 80 }]
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: { name: hello }
spec:
  rules:
    - host: hello.example
      http:
        paths:
          - path: /
            backend: { serviceName: hello, servicePort: 80 }
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: { name: hourly }
spec:
  schedule: "0 * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{ name: c, image: busybox }]
---
apiVersion: autoscaling/v2beta1
kind: HorizontalPodAutoscaler
metadata: { name: hello }
spec:
  scaleTargetRef: { apiVersion: extensions/v1beta1, kind: Deployment, name: hello }
  maxReplicas: 3
  metrics: [{ type: Resource, resource: { name: cpu, targetAverageUtilization: 50 } }]
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: { name: hello }
spec: { minAvailable: 1, selector: { matchLabels: { app: hello } } }
`;

describe('legacy-apis', { skip: available.length > 0 ? false : 'this machine has no kubectl' }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ driver: 'sim', profile: 'legacy-apis', kubectl: available[0]!.path });
  });
  after(() => cluster?.delete());

  const kubectl = async (path: string, args: readonly string[], input?: string): Promise<{ stdout: string; stderr: string }> =>
    execa(path, args, { env: { KUBECONFIG: cluster.kubeconfig, HOME: cluster.home }, timeout: 60_000, ...(input ? { input } : {}) });

  it('is off unless it is asked for', async () => {
    const { stderr, exitCode } = await cluster.kubectl(['apply', '-f', '-'], { input: TUTORIAL, reject: false });
    assert.notEqual(exitCode, 0);
    assert.match(stderr, /no matches for kind "Deployment" in version "extensions\/v1beta1"/);
    await cluster.kubectl(['delete', 'service', 'hello', '--ignore-not-found']);
  });

  for (const { path, version } of available) {
    it(`kubectl ${version} applies an old tutorial and sees today's objects`, async () => {
      await cluster.rockpool(['addons', 'enable', 'legacy-apis']);
      const { stdout, stderr } = await kubectl(path, ['apply', '-f', '-'], TUTORIAL);
      assert.match(stdout, /hello created/);
      assert.match(
        stderr,
        /Warning: extensions\/v1beta1 Ingress is deprecated in v1\.14\+, unavailable in v1\.22\+; use networking\.k8s\.io\/v1 Ingress/,
      );
      await kubectl(path, ['rollout', 'status', 'deployment/hello', '--timeout=60s']);
      const today = await kubectl(path, [
        'get',
        'deployments.v1.apps',
        'hello',
        '-o',
        'jsonpath={.apiVersion} {.spec.strategy.rollingUpdate.maxSurge}',
      ]);
      assert.equal(today.stdout, 'apps/v1 1');
      const old = await kubectl(path, ['get', 'deployments.v1beta1.extensions', 'hello', '-o', 'jsonpath={.apiVersion}']);
      assert.equal(old.stdout, 'extensions/v1beta1');
      assert.match((await kubectl(path, ['get', 'deployments.v1beta1.extensions'])).stdout, /hello +2\/2/);
      assert.match((await kubectl(path, ['get', 'ingresses.v1beta1.extensions'])).stdout, /hello .*hello\.example/);
      const again = await kubectl(path, ['apply', '-f', '-'], TUTORIAL.replace('replicas: 2', 'replicas: 1'));
      assert.match(again.stdout, /^deployment\S* configured$/m);
      assert.match(again.stdout, /^horizontalpodautoscaler\S* unchanged$/m);
      assert.match(
        (await kubectl(path, ['explain', 'deployment.spec.rollbackTo', '--api-version=extensions/v1beta1'])).stdout,
        /rollbackTo/,
      );
      assert.match((await kubectl(path, ['api-versions'])).stdout, /^extensions\/v1beta1$/m);
      await kubectl(path, ['delete', '-f', '-', '--cascade=background'], TUTORIAL);
      await eventually(async () => assert.equal((await kubectl(path, ['get', 'pods', '-o', 'name'])).stdout, ''));
    });
  }

  it('goes without a restart; the objects stay', async () => {
    await cluster.kubectl(['apply', '-f', '-'], { input: TUTORIAL });
    await cluster.rockpool(['addons', 'disable', 'legacy-apis']);
    await eventually(async () => assert.doesNotMatch((await cluster.kubectl(['api-versions'])).stdout, /extensions\/v1beta1/));
    assert.match(
      (await cluster.kubectl(['get', 'deployment,ingress,cronjob', '-o', 'name'])).stdout,
      /ingress\.networking\.k8s\.io\/hello/,
    );
  });
});
