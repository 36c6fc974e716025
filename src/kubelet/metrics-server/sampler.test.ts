import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../lib/clock.ts';
import { parseResourceMetrics } from './resource-metrics.ts';
import { Sampler } from './sampler.ts';

const NOW = Date.UTC(2026, 0, 1);

test("reads a kubelet's text: labels in any order, timestamps or none, and leaves out what is half told", () => {
  const text = `# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="main",namespace="default",pod="web-1"} 12.5 1700000000123
container_cpu_usage_seconds_total{pod="half",container="main",namespace="default"} 1 1700000000123
container_memory_working_set_bytes{pod="web-1",namespace="default",container="main"} 1.048576e+06 1700000000123
container_start_time_seconds{container="main",namespace="default",pod="web-1"} 1.6999999e+09
node_cpu_usage_seconds_total 99.5
node_memory_working_set_bytes 4096
scrape_error 0
`;
  const { node, containers } = parseResourceMetrics(text, NOW);
  assert.deepEqual(node, { cpuSeconds: 99.5, memoryBytes: 4096, at: NOW });
  assert.deepEqual(
    [...containers],
    [
      [
        'default/web-1/main',
        {
          namespace: 'default',
          pod: 'web-1',
          container: 'main',
          cpuSeconds: 12.5,
          at: 1_700_000_000_123,
          memoryBytes: 1_048_576,
          startedAt: 1_699_999_900_000,
        },
      ],
    ],
  );
  assert.deepEqual(parseResourceMetrics('', NOW), { node: undefined, containers: new Map() });
});

/** A node whose pod `web` uses half a core and whose CPU counter the test sets; looks are counted. */
class FakeNode {
  readonly clock = new ManualClock(NOW);
  looks = 0;
  down = false;
  /** Seconds that `web` had used at NOW. */
  base = 100;
  cores = 0.5;
  /** When it was started anew, its counter from nothing. */
  restartedAt: number | undefined;
  readonly failures: string[] = [];
  readonly sampler = new Sampler({
    clock: this.clock,
    nodes: () => Promise.resolve(['n1']),
    scrape: () => {
      this.looks++;
      return this.down ? Promise.reject(new Error('no route')) : Promise.resolve(this.#text());
    },
    unreachable: (node) => void this.failures.push(node),
  });

  #text(): string {
    const now = this.clock.now();
    const born = this.restartedAt ?? NOW;
    const used = (this.restartedAt === undefined ? this.base : 0) + ((now - born) / 1000) * this.cores;
    const of = 'container="main",namespace="default",pod="web"';
    const startedAt = (this.restartedAt ?? NOW - 3_600_000) / 1000;
    return `container_cpu_usage_seconds_total{${of}} ${used} ${now}\ncontainer_memory_working_set_bytes{${of}} 8192 ${now}\ncontainer_start_time_seconds{${of}} ${startedAt}\nnode_cpu_usage_seconds_total ${now / 1000} ${now}\nnode_memory_working_set_bytes 65536 ${now}\n`;
  }

  /** Asks, and lets pass what that takes. */
  async ask(): Promise<{ cores: number | undefined; windowMs: number | undefined }> {
    const asked = this.sampler.snapshot();
    await this.clock.advance(0);
    await this.clock.advance(1_000);
    const usage = (await asked).pods.get('default/web')?.get('main');
    return { cores: usage && usage.cpuNanos / 1e9, windowMs: usage?.windowMs };
  }
}

test('the first question looks twice, a second apart; nobody looks while nobody asks', async () => {
  const node = new FakeNode();
  await node.clock.advance(120_000);
  assert.equal(node.looks, 0);
  assert.deepEqual(await node.ask(), { cores: 0.5, windowMs: 1_000 });
  assert.equal(node.looks, 2);
  const { nodes } = await node.sampler.snapshot();
  assert.deepEqual(nodes.get('n1'), { cpuNanos: 1e9, memoryBytes: 65_536, at: node.clock.now(), windowMs: 1_000 });
  await node.clock.advance(600_000);
  assert.equal(node.looks, 2);
});

test('questions soon after get the same answer, later ones one look more', async () => {
  const node = new FakeNode();
  await node.ask();
  await node.ask();
  assert.equal(node.looks, 2);
  await node.clock.advance(13_000);
  node.cores = 0.5;
  assert.deepEqual(await node.ask(), { cores: 0.5, windowMs: 14_000 });
  assert.equal(node.looks, 3);
});

test('questions at the same time share their looks', async () => {
  const node = new FakeNode();
  const all = Promise.all([node.sampler.snapshot(), node.sampler.snapshot(), node.sampler.snapshot()]);
  await node.clock.advance(0);
  await node.clock.advance(1_000);
  const [first, second] = await all;
  assert.equal(first, second);
  assert.equal(node.looks, 2);
});

test('a look of long ago is no use', async () => {
  const node = new FakeNode();
  await node.ask();
  await node.clock.advance(90_000);
  assert.deepEqual(await node.ask(), { cores: 0.5, windowMs: 1_000 });
  assert.equal(node.looks, 4);
});

test('a container that was started anew counts from its start', async () => {
  const node = new FakeNode();
  await node.ask();
  await node.clock.advance(11_000);
  node.restartedAt = node.clock.now() - 4_000;
  node.cores = 0.25;
  assert.deepEqual(await node.ask(), { cores: 0.25, windowMs: 4_000 });
});

test('a kubelet that does not answer is left out, and back when it does', async () => {
  const node = new FakeNode();
  await node.ask();
  node.down = true;
  await node.clock.advance(11_000);
  assert.deepEqual(await node.ask(), { cores: undefined, windowMs: undefined });
  assert.deepEqual(node.failures, ['n1']);
  node.down = false;
  await node.clock.advance(11_000);
  await node.ask();
  await node.clock.advance(11_000);
  assert.equal((await node.ask()).cores, 0.5);
});

test('a stopped sampler does not let anybody wait', async () => {
  const node = new FakeNode();
  const asked = node.sampler.snapshot();
  const refused = assert.rejects(asked, /stopped/);
  await node.clock.advance(0);
  node.sampler.stop();
  await refused;
});
