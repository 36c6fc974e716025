/** The ports of a node that pods take for themselves. */
import type { Pod } from './types.gen.ts';

export interface HostPort {
  /** `0.0.0.0`: on all addresses. */
  ip: string;
  protocol: string;
  port: number;
}

/** Those of the containers that go on: init containers give theirs back, but for sidecars. */
export function hostPortsOf({ spec }: Pod): HostPort[] {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...(spec?.containers ?? []), ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .flatMap(({ hostPort, hostIP, protocol = 'TCP' }) => (hostPort ? [{ ip: hostIP || '0.0.0.0', protocol, port: hostPort }] : []));
}

/** Whether two cannot be had at once. */
export function hostPortsClash(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0');
}
