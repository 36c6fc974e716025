import type { Clock } from '../../lib/clock.ts';
import type { Storage } from '../../storage/storage.ts';
import { head, Histogram, labelText } from './metrics.ts';

const NAME = 'etcd_request_duration_seconds';
const PREFIX = '/registry/';

/** The store with a watch on how long it takes; `lines` tells it under upstream's names, whatever store it is. */
export function measuredStorage(storage: Storage, clock: Clock): { storage: Storage; lines: () => string[] } {
  const durations = new Map<string, { labels: string; histogram: Histogram; failed: number }>();
  const measure = async <T>(operation: string, key: string, work: Promise<T>): Promise<T> => {
    const began = clock.monotonic();
    const type = typeOf(key);
    const id = `${operation} ${type}`;
    let series = durations.get(id);
    if (!series) durations.set(id, (series = { labels: labelText({ operation, type }), histogram: new Histogram(), failed: 0 }));
    try {
      return await work;
    } catch (error) {
      series.failed++;
      throw error;
    } finally {
      series.histogram.observe((clock.monotonic() - began) / 1000);
    }
  };
  const measured: Storage = {
    get: (key) => measure('get', key, storage.get(key)),
    range: (prefix, options) => measure('list', prefix, storage.range(prefix, options)),
    create: (key, value) => measure('create', key, storage.create(key, value)),
    update: (key, value, expected) => measure('update', key, storage.update(key, value, expected)),
    delete: (key, expected) => measure('delete', key, storage.delete(key, expected)),
    watch: (prefix, from, signal) => storage.watch(prefix, from, signal),
    currentRevision: () => storage.currentRevision(),
    compact: (revision) => storage.compact(revision),
    size: () => storage.size(),
    close: () => storage.close(),
  };
  const lines = (): string[] => {
    const all = [...durations.values()];
    return [
      ...head(NAME, 'histogram', '[ALPHA] Etcd request latency in seconds for each operation and object type.'),
      ...all.flatMap(({ labels, histogram }) => histogram.lines(NAME, labels)),
      ...head('etcd_request_errors_total', 'counter', '[ALPHA] Etcd failed request counts for each operation and object type.'),
      ...all.filter(({ failed }) => failed > 0).map(({ labels, failed }) => `etcd_request_errors_total{${labels}} ${failed}`),
    ];
  };
  return { storage: measured, lines };
}

/** `/registry/pods/default/web` is of the type `pods`; `/registry/services/specs/…` of `services`. */
function typeOf(key: string): string {
  const end = key.indexOf('/', PREFIX.length);
  return end < 0 ? key.slice(PREFIX.length) : key.slice(PREFIX.length, end);
}
