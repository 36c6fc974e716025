import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';
import type { Handler } from '../contract.ts';
import type { ApiMetrics } from './metrics.ts';

/** `/metrics` in Prometheus's text form, with what Prometheus's clients tell of their own process. */
export function metricsHandler(metrics: ApiMetrics, clock: Clock): Handler {
  const started = clock.now() / 1000 - process.uptime();
  metrics.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () => process.memoryUsage.rss());
  metrics.gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () => started);
  metrics.counter('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  if (existsSync('/proc/self/statm')) fromProc(metrics);
  return {
    name: 'metrics',
    match: ({ info, method }) => (method === 'GET' || method === 'HEAD') && info.path === '/metrics',
    handle: async () => ({ status: 200, bytes: Buffer.from(metrics.text()), contentType: 'text/plain; version=0.0.4; charset=utf-8' }),
  };
}

/** What only Linux tells. */
function fromProc(metrics: ApiMetrics): void {
  metrics.gauge('process_open_fds', 'Number of open file descriptors.', () => readdirSync('/proc/self/fd').length);
  metrics.gauge('process_max_fds', 'Maximum number of open file descriptors.', () =>
    Number(/^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0),
  );
  metrics.gauge(
    'process_virtual_memory_bytes',
    'Virtual memory size in bytes.',
    () => 1024 * Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0),
  );
}
