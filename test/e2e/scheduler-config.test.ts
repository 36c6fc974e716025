/** A scheduler of one's own making: profiles from a KubeSchedulerConfiguration, kept for later starts, refused when it is wrong. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../fixtures/cluster.ts';
import { eventually } from '../fixtures/eventually.ts';
import { kubectls } from '../fixtures/machine.ts';

const [kubectl] = await kubectls();

const CONFIGURATION = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: MostAllocated
        resources: [{name: cpu, weight: 1}]
`;

describe('start --scheduler-config', { skip: kubectl ? false : 'this machine has no kubectl' }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'rockpool-scheduler-config-'));
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  let cluster: Cluster;
  before(async () => {
    const startArgs = ['--sim-nodes', '2', '--scheduler-config', file('good.yaml', CONFIGURATION)];
    cluster = await startCluster({ driver: 'sim', profile: 'e2e-scheduler', kubectl: kubectl!.path, startArgs });
  });
  after(async () => {
    await cluster?.delete();
    rmSync(folder, { recursive: true });
  });

  const pod = (name: string, schedulerName: string): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { schedulerName, containers: [{ name: 'c', image: 'nginx', resources: { requests: { cpu: '100m' } } }] },
    });
  const nodeOf = async (name: string): Promise<string> =>
    (await cluster.kubectl(['get', 'pod', name, '-o', 'jsonpath={.spec.nodeName}'])).stdout;

  it('schedules by the profile that a pod names', async () => {
    for (const name of ['packed-1', 'packed-2', 'packed-3', 'packed-4']) {
      await cluster.kubectl(['apply', '-f', '-'], { input: pod(name, 'packing') });
      await eventually(async () => assert.notEqual(await nodeOf(name), ''));
    }
    const nodes = await Promise.all(['packed-1', 'packed-2', 'packed-3', 'packed-4'].map(nodeOf));
    assert.equal(new Set(nodes).size, 1, `all on one node: ${nodes.join(', ')}`);
  });

  it('leaves pods of other names alone', async () => {
    await cluster.kubectl(['apply', '-f', '-'], { input: pod('foreign', 'nobody') });
    await cluster.kubectl(['apply', '-f', '-'], { input: pod('usual', 'default-scheduler') });
    await eventually(async () => assert.notEqual(await nodeOf('usual'), ''));
    assert.equal(await nodeOf('foreign'), '');
  });

  it('keeps the configuration for the next start, and refuses a wrong one by its field', async () => {
    await cluster.rockpool(['stop']);
    const wrong = file('wrong.yaml', CONFIGURATION.replace('MostAllocated', 'Fullest'));
    const refused = await cluster.rockpool(['start', '--scheduler-config', wrong], { reject: false });
    assert.equal(refused.exitCode, 18);
    assert.match(refused.stderr, /scheduler configuration: .*scoringStrategy\.type/);
    await cluster.rockpool(['start']);
    await cluster.kubectl(['apply', '-f', '-'], { input: pod('packed-5', 'packing') });
    await eventually(async () => assert.notEqual(await nodeOf('packed-5'), ''));
  });
});
