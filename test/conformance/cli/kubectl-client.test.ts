import assert from 'node:assert/strict';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rmSync } from 'node:fs';
import { conformance, IMAGES, until, type World } from '../harness.ts';
import { deployment } from '../../e2e/kubectl-tour/stage.ts';
import { list, replicationController, service } from './manifests.ts';

const create = (world: World, manifest: string | object, ...flags: string[]) =>
  world.kubectl(['create', '-f', '-', ...flags], { input: typeof manifest === 'string' ? manifest : JSON.stringify(manifest) });

/** The names of the pods with a label that run and are ready, once there are as many as wanted. */
async function readyPods(world: World, label: string, count: number): Promise<string[]> {
  return until(async () => {
    const { stdout } = await world.kubectl([
      'get',
      'pods',
      '-l',
      label,
      '-o',
      'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{range .status.containerStatuses}} {{.ready}}{{end}}{{"\\n"}}{{end}}{{end}}',
    ]);
    const lines = stdout.split('\n').filter(Boolean);
    return lines.length === count && lines.every((line) => line.endsWith(' true')) && lines.map((line) => line.split(' ')[0]!);
  }, `${count} ready pods with ${label}`);
}

const noPods = (world: World, label: string) =>
  until(async () => (await world.kubectl(['get', 'pods', '-l', label, '-o', 'name'])).stdout === '', `no pod with ${label}`);

conformance('cli', 'Kubectl client', { pods: true }, (behaviour) => {
  behaviour('Guestbook application should create and stop a working application', async (world) => {
    const tiers = { frontend: 3, 'agnhost-primary': 1, 'agnhost-replica': 2 };
    const manifest = list(...Object.entries(tiers).flatMap(([name, replicas]) => [service(name), deployment(name, IMAGES.web, replicas)]));
    await create(world, manifest);
    for (const [name, replicas] of Object.entries(tiers)) {
      await readyPods(world, `app=${name}`, replicas);
      // Each tier answers behind its Service.
      await until(async () => {
        const { status } = await world.request({ path: `/api/v1/namespaces/${world.namespace}/services/${name}/proxy/` });
        return status === 200;
      }, `the service ${name} answers`);
    }
    await world.kubectl(['delete', '--grace-period=0', '--force', '-f', '-'], { input: manifest });
    for (const name of Object.keys(tiers)) {
      await noPods(world, `app=${name}`);
      assert.equal((await world.kubectl(['get', 'deployments,services', '-l', `app=${name}`, '-o', 'name'])).stdout, '');
    }
  });

  behaviour('Kubectl api-versions should check if v1 is in available api versions', async (world) => {
    const { stdout } = await world.kubectl(['api-versions']);
    assert.ok(stdout.split('\n').includes('v1'), stdout);
  });

  behaviour('Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info', async (world) => {
    const { stdout } = await world.cluster.kubectl(['cluster-info']);
    assert.match(stdout, /Kubernetes control plane.* is running at .*https:\/\/127\.0\.0\.1:\d+/);
  });

  behaviour('Kubectl describe should check if kubectl describe prints relevant information for rc and pods', async (world) => {
    await create(world, list(replicationController('described'), service('described')));
    const [pod] = await readyPods(world, 'app=described', 1);
    const shows = async (args: string[], expected: RegExp[]): Promise<void> => {
      const { stdout } = await world.kubectl(['describe', ...args]);
      for (const each of expected) assert.match(stdout, each, `kubectl describe ${args.join(' ')}`);
    };
    await shows(
      ['pod', pod!],
      [
        new RegExp(`^Name: +${pod}$`, 'm'),
        new RegExp(`^Namespace: +${world.namespace}$`, 'm'),
        /^Node: +\S+\/\d/m,
        /^Labels: +app=described$/m,
        /^Status: +Running$/m,
        /^IP: +\d/m,
        /^Controlled By: +ReplicationController\/described$/m,
        /^ +Image: +nginx/m,
        /^ +State: +Running$/m,
        /^ +\/var\/run\/secrets\/kubernetes\.io\/serviceaccount from kube-api-access-/m,
        /^QoS Class: +BestEffort$/m,
      ],
    );
    await shows(
      ['rc', 'described'],
      [
        /^Name: +described$/m,
        /^Selector: +app=described$/m,
        /^Replicas: +1 current \/ 1 desired$/m,
        /^Pods Status: +1 Running \/ 0 Waiting \/ 0 Succeeded \/ 0 Failed$/m,
        /^ +Port: +80\/TCP$/m,
        /Normal +SuccessfulCreate .*Created pod: described-/,
      ],
    );
    await shows(
      ['service', 'described'],
      [/^Type: +ClusterIP$/m, /^IP: +\d/m, /^Port: +<unset> +80\/TCP$/m, /^Endpoints: +[\d.]+:80$/m, /^Session Affinity: +None$/m],
    );
    const { stdout } = await world.cluster.kubectl(['get', 'nodes', '-o', 'name']);
    await shows(
      [stdout.split('\n')[0]!],
      [
        /^Roles:/m,
        /^Conditions:/m,
        /^ +Ready +True/m,
        /^Capacity:/m,
        /^Allocatable:/m,
        /^ +Kubelet Version: +v1\.36/m,
        /^Allocated resources:/m,
      ],
    );
    await shows(['namespace', world.namespace], [/^Status: +Active$/m]);
  });

  behaviour('Kubectl diff should check if kubectl diff finds a difference for Deployments', async (world) => {
    await create(world, deployment('compared', IMAGES.web));
    const { exitCode, stdout } = await world.kubectl(['diff', '-f', '-'], {
      input: JSON.stringify(deployment('compared', IMAGES.shell)),
      reject: false,
    });
    assert.equal(exitCode, 1, 'a difference is exit code 1');
    assert.match(stdout, new RegExp(`^- +(- )?image: ${IMAGES.web}$`, 'm'));
    assert.match(stdout, new RegExp(`^\\+ +(- )?image: ${IMAGES.shell}$`, 'm'));
    const { stdout: image } = await world.kubectl([
      'get',
      'deployment',
      'compared',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].image}',
    ]);
    assert.equal(image, IMAGES.web, 'diff changes nothing');
  });

  behaviour('Kubectl expose should create services for rc', async (world) => {
    await create(world, replicationController('exposed'));
    const [pod] = await readyPods(world, 'app=exposed', 1);
    const { stdout: address } = await world.kubectl(['get', 'pod', pod!, '-o', 'jsonpath={.status.podIP}']);
    const leadsTo = async (name: string, port: number): Promise<void> => {
      const { stdout } = await world.kubectl(['get', 'service', name, '-o', 'jsonpath={.spec.ports[0].port} {.spec.ports[0].targetPort}']);
      assert.equal(stdout, `${port} 80`);
      await until(async () => {
        const { stdout: endpoints } = await world.kubectl([
          'get',
          'endpoints',
          name,
          '-o',
          'jsonpath={.subsets[*].addresses[*].ip}:{.subsets[*].ports[*].port}',
        ]);
        return endpoints === `${address}:80`;
      }, `the endpoints of ${name} are the pod`);
    };
    await world.kubectl(['expose', 'rc', 'exposed', '--name=rm2', '--port=1234', '--target-port=80']);
    await leadsTo('rm2', 1234);
    await world.kubectl(['expose', 'service', 'rm2', '--name=rm3', '--port=2345', '--target-port=80']);
    await leadsTo('rm3', 2345);
  });

  behaviour('Kubectl label should update the label on a resource', async (world) => {
    await world.kubectl(['run', 'labelled', `--image=${IMAGES.web}`, '--image-pull-policy=IfNotPresent']);
    const column = async () => (await world.kubectl(['get', 'pod', 'labelled', '-L', 'testing-label', '--no-headers'])).stdout;
    await world.kubectl(['label', 'pods', 'labelled', 'testing-label=testing-label-value']);
    assert.match(await column(), /testing-label-value$/);
    await world.kubectl(['label', 'pods', 'labelled', 'testing-label-']);
    assert.doesNotMatch(await column(), /testing-label-value/);
  });

  behaviour('Kubectl patch should add annotations for pods in rc', async (world) => {
    await create(world, replicationController('patched', 2));
    for (const pod of await readyPods(world, 'app=patched', 2)) {
      await world.kubectl(['patch', 'pod', pod, '-p', '{"metadata":{"annotations":{"x":"y"}}}']);
      assert.equal((await world.kubectl(['get', 'pod', pod, '-o', 'jsonpath={.metadata.annotations.x}'])).stdout, 'y');
    }
  });

  behaviour("Kubectl replace should update a single-container pod's image", async (world) => {
    await world.kubectl(['run', 'replaced', `--image=${IMAGES.web}`, '--image-pull-policy=IfNotPresent', '--labels=run=replaced']);
    await readyPods(world, 'run=replaced', 1);
    const { stdout } = await world.kubectl(['get', 'pod', 'replaced', '-o', 'json']);
    await world.kubectl(['replace', '-f', '-'], { input: stdout.replaceAll(`"image": "${IMAGES.web}"`, `"image": "${IMAGES.shell}"`) });
    const { stdout: image } = await world.kubectl(['get', 'pod', 'replaced', '-o', 'jsonpath={.spec.containers[0].image}']);
    assert.equal(image, IMAGES.shell);
  });

  behaviour('Kubectl run pod should create a pod from an image when restart is Never', async (world) => {
    await world.kubectl(['run', 'once', '--restart=Never', `--image=${IMAGES.web}`, '--pod-running-timeout=2m']);
    const { stdout } = await world.kubectl(['get', 'pod', 'once', '-o', 'jsonpath={.spec.containers[0].image} {.spec.restartPolicy}']);
    assert.equal(stdout, `${IMAGES.web} Never`);
  });

  behaviour('Kubectl server-side dry-run should check if kubectl can dry-run update Pods', async (world) => {
    await world.kubectl(['run', 'rehearsed', `--image=${IMAGES.web}`, '--image-pull-policy=IfNotPresent', '--labels=run=rehearsed']);
    const image = async () => (await world.kubectl(['get', 'pod', 'rehearsed', '-o', 'jsonpath={.spec.containers[0].image}'])).stdout;
    const patch = JSON.stringify({ spec: { containers: [{ name: 'rehearsed', image: IMAGES.shell }] } });
    const { stdout } = await world.kubectl([
      'patch',
      'pod',
      'rehearsed',
      '-p',
      patch,
      '--dry-run=server',
      '-o',
      'jsonpath={.spec.containers[0].image}',
    ]);
    assert.equal(stdout, IMAGES.shell, 'the answer shows what would be');
    assert.equal(await image(), IMAGES.web, 'and nothing changed');
  });

  behaviour('Kubectl version should check is all data is printed', async (world) => {
    const { stdout } = await world.cluster.kubectl(['version', '-o', 'json']);
    const { clientVersion, serverVersion } = JSON.parse(stdout);
    for (const version of [clientVersion, serverVersion])
      for (const field of ['major', 'minor', 'gitVersion', 'gitTreeState', 'buildDate', 'goVersion', 'compiler', 'platform'])
        assert.ok(version[field], `${field} of ${JSON.stringify(version)}`);
    assert.match(serverVersion.gitVersion, /^v1\.36\./);
  });

  behaviour('Proxy server should support --unix-socket=/path', async (world) => {
    const socketPath = join(tmpdir(), `kubectl-proxy-${process.pid}-${world.driver}.sock`);
    const proxy = world.cluster.spawnKubectl(['proxy', `--unix-socket=${socketPath}`]);
    try {
      await printed(proxy, /Starting to serve on/);
      assert.match(await fetched({ socketPath, path: '/api/' }), /"kind": ?"APIVersions"/);
    } finally {
      proxy.kill('SIGTERM');
      await proxy;
      rmSync(socketPath, { force: true });
    }
  });

  behaviour('Proxy server should support proxy with --port 0', async (world) => {
    const proxy = world.cluster.spawnKubectl(['proxy', '-p', '0', '--disable-filter=true']);
    try {
      const [, port] = await printed(proxy, /Starting to serve on 127\.0\.0\.1:(\d+)/);
      assert.match(await fetched({ host: '127.0.0.1', port: Number(port), path: '/api/' }), /"kind": ?"APIVersions"/);
    } finally {
      proxy.kill('SIGTERM');
      await proxy;
    }
  });

  behaviour('Update Demo should create and stop a replication controller', async (world) => {
    const manifest = JSON.stringify(replicationController('update-demo', 2));
    await create(world, manifest);
    await readyPods(world, 'app=update-demo', 2);
    await world.kubectl(['delete', '--grace-period=0', '--force', '-f', '-'], { input: manifest });
    await noPods(world, 'app=update-demo');
  });

  behaviour('Update Demo should scale a replication controller', async (world) => {
    await create(world, replicationController('update-demo', 2));
    await readyPods(world, 'app=update-demo', 2);
    for (const replicas of [1, 2]) {
      await world.kubectl(['scale', 'rc', 'update-demo', `--replicas=${replicas}`, '--timeout=2m']);
      await readyPods(world, 'app=update-demo', replicas);
    }
  });
});

/** What a process printed, once it matches. */
async function printed(process: ReturnType<World['cluster']['spawnKubectl']>, pattern: RegExp): Promise<RegExpMatchArray> {
  let text = '';
  process.all!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return until(() => text.match(pattern) ?? undefined, `the output matches ${pattern}`, 20_000);
}

function fetched(options: http.RequestOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(text)).on('error', reject);
    });
    request.on('error', reject);
  });
}
