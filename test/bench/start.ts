import { benchCluster, type DriverName } from './cluster.ts';
import { type Figure, cpuSeconds, processes, pssMiB, withDescendants } from './measure.ts';

const AIMS = { sim: { cold: '600 ms', again: '' }, docker: { cold: '1500 ms', again: '1200 ms' } };
const PEERS = 'real control plane alone 7859 ms; k3d 12.6 s, kind 11.5–14.2 s';

/** Cold start, and start after stop: whole commands. */
export async function benchStart(driver: DriverName, runs: number): Promise<Figure[]> {
  // The node image is present, as with the peers' figures; this run is not counted.
  await (await benchCluster(driver, 'bench-warm')).remove();
  const cold: number[] = [];
  const again: number[] = [];
  for (let run = 0; run < runs; run++) {
    const cluster = await benchCluster(driver, `bench-${run}`);
    cold.push(cluster.startMs);
    await cluster.run(['stop']);
    const began = performance.now();
    await cluster.run(['start']);
    again.push(performance.now() - began);
    await cluster.remove();
  }
  return [
    { name: `${driver}: cold start`, values: cold, unit: 'ms', reference: PEERS, aim: AIMS[driver].cold },
    {
      name: `${driver}: start after stop`,
      values: again,
      unit: 'ms',
      reference: 'real control plane on existing data 5391 ms',
      aim: AIMS[driver].again,
    },
  ];
}

/** Memory and CPU of everything in the node after it has been left alone. */
export async function benchIdle(driver: DriverName, { settleMs = 60_000, watchMs = 60_000 } = {}): Promise<Figure[]> {
  const cluster = await benchCluster(driver, 'bench-idle');
  try {
    const root = await cluster.nodePid();
    await sleep(settleMs);
    const before = withDescendants(root, processes());
    const cpuBefore = before.map(({ pid }) => cpuSeconds(pid));
    await sleep(watchMs);
    const seconds = before.map(({ pid }, index) => cpuSeconds(pid) - cpuBefore[index]!);
    const used = seconds.reduce((sum, each) => sum + each, 0);
    const each = before.map(({ pid, command }) => ({ command, mib: pssMiB(pid) }));
    const parts = each.filter(({ mib }) => mib >= 1).map(({ command, mib }) => `${shortName(command)} ${mib.toFixed(0)}`);
    return [
      {
        name: `${driver}: memory when idle (PSS)`,
        values: [each.reduce((sum, { mib }) => sum + mib, 0)],
        unit: 'MiB',
        reference: 'real 686 (531 without kubelet and proxy); k3s 430–535',
        aim: driver === 'sim' ? '100' : '200',
        note: parts.join(', '),
      },
      {
        name: `${driver}: CPU when idle`,
        values: [(used / watchMs) * 100_000],
        unit: '% of a core',
        reference: 'real 6.7; minikube 3.0, k3d and kind 3.4',
        aim: '0.5',
        note: `CPU seconds in ${watchMs / 1000} s: ${before.map(({ command }, index) => `${shortName(command)} ${seconds[index]!.toFixed(2)}`).join(', ')}`,
      },
    ];
  } finally {
    await cluster.remove();
  }
}

const shortName = (command: string): string => command.split(' ').slice(0, 2).join(' ').split('/').at(-1)!;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
