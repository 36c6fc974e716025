import assert from 'node:assert/strict';
import https from 'node:https';
import { after, before, describe, test } from 'node:test';
import { containerdMissing } from '../../../test/fixtures/containerd.ts';
import { eventually } from '../../../test/fixtures/eventually.ts';
import { startTestNode, type TestNode } from '../../../test/fixtures/node.ts';
import type { Pod } from '../../api/types.gen.ts';

const isReady = (pod: Pod): boolean => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;

describe("the kubelet's server", { skip: containerdMissing() ?? false }, () => {
  let node: TestNode;
  before(async () => {
    node = await startTestNode({ subnet: '10.199.10.0/24' });
  });
  after(() => node.close());

  test("logs, previous logs and refusals over the kubelet's server", async () => {
    await node.run('talks', {
      containers: [
        {
          name: 'main',
          command: ['sh', '-c', 'echo err >&2; sleep 0.2; for i in 1 2 3 4 5; do echo line $i; done; while :; do sleep 0.1; done'],
        },
      ],
    });
    await node.until('talks', isReady);
    await eventually(async () => assert.match(await kubeletGet(node, '/containerLogs/default/talks/main'), /line 5/));
    assert.equal(await kubeletGet(node, '/containerLogs/default/talks/main?stream=Stderr'), 'err\n');
    assert.equal(await kubeletGet(node, '/containerLogs/default/talks/main?stream=Stdout&tailLines=2'), 'line 4\nline 5\n');
    assert.match(await kubeletGet(node, '/containerLogs/default/talks/main?timestamps=true&limitBytes=30'), /^\d{4}-\d\d-\d\dT[\d:.]+Z/);
    await assert.rejects(
      kubeletGet(node, '/containerLogs/default/talks/main?previous=true'),
      /400 previous terminated container "main" in pod "talks" not found/,
    );
    await assert.rejects(kubeletGet(node, '/containerLogs/default/none/main'), /404 pod "none" not found/);
    await assert.rejects(kubeletGet(node, '/pods', 'kubelet-client'), /403 Forbidden \(user=system:node:rockpool/);
    await assert.rejects(kubeletGet(node, '/pods', null), /401 Unauthorized/);
    assert.match(
      await kubeletGet(node, '/metrics/resource'),
      /container_memory_working_set_bytes\{container="main",namespace="default",pod="talks"\} \d+/,
    );
    const summary = JSON.parse(await kubeletGet(node, '/stats/summary')) as {
      pods: { podRef: { name: string }; containers: { memory: { workingSetBytes: number } }[] }[];
    };
    assert.ok(summary.pods.find((pod) => pod.podRef.name === 'talks')!.containers[0]!.memory.workingSetBytes > 0);
  });
});

/** As the API server asks, unless another client's certificate (or none) is named. Rejects with `CODE text`. */
function kubeletGet(node: TestNode, path: string, as: string | null = 'apiserver-kubelet-client'): Promise<string> {
  const { pki } = node.api;
  const identity = as === null ? {} : { cert: pki.get(`${as}.crt`), key: pki.get(`${as}.key`) };
  return new Promise((resolve, reject) => {
    const request = https.get(
      {
        host: '127.0.0.1',
        port: node.kubelet.port,
        path,
        ca: pki.get('ca.crt'),
        checkServerIdentity: () => undefined,
        agent: false,
        ...identity,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () =>
          response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode} ${text.trim()}`)),
        );
      },
    );
    request.on('error', reject);
  });
}
