import { tutorialImages } from '../fixtures/tutorial-images.ts';
import { benchCluster, type DriverName } from './cluster.ts';
import { apiCaller } from './http.ts';
import type { Figure } from './measure.ts';

/** From POST of a pod to its Ready condition, one pod at a time, image present. */
export async function benchPods(driver: DriverName, count: number): Promise<Figure[]> {
  const cluster = await benchCluster(driver, 'bench-pods');
  const caller = apiCaller(cluster.connection);
  try {
    if (driver === 'docker') for (const archive of await tutorialImages(['busybox'])) await cluster.run(['image', 'load', archive]);
    const base = '/api/v1/namespaces/default/pods';
    const values: number[] = [];
    // The first pod also unpacks the image: not counted.
    for (let index = 0; index <= count; index++) {
      const name = `bench-${index}`;
      const ready = Promise.withResolvers<void>();
      let rest = '';
      const close = await caller.watch(`${base}?watch=true&fieldSelector=metadata.name%3D${name}`, (chunk) => {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          const { object } = JSON.parse(line) as { object: { status?: { conditions?: { type: string; status: string }[] } } };
          if (object.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) ready.resolve();
        }
      });
      const began = performance.now();
      const spec = {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '3600'] }],
      };
      const { status } = await caller.call('POST', base, { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
      if (status !== 201) throw new Error(`creating a pod was answered with ${status}`);
      await ready.promise;
      if (index > 0) values.push(performance.now() - began);
      close();
      await caller.call('DELETE', `${base}/${name}?gracePeriodSeconds=0`);
    }
    return [
      { name: `${driver}: pod create to Ready`, values, unit: 'ms', reference: 'real kubelet 1023 ms; CRI alone 91–153 ms', aim: '250 ms' },
    ];
  } finally {
    caller.close();
    await cluster.remove();
  }
}
