/**
 * UDP has no connections, but the kernel remembers where a client's datagrams went and keeps sending them there, as long as they keep
 * coming: to a pod that is gone, or nowhere, where the Service had no endpoint yet. Such memories are deleted. TCP clients notice for themselves.
 */
import { errorCode, errorMessage } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Frontend, Target } from './frontends.ts';
import { CommandFailed, type NftRunner } from './packet-filter.ts';

/** The arguments of `conntrack` that make flows of `before` forget targets that are not in `after` any more. */
export function staleFlows(before: readonly Frontend[], after: readonly Frontend[]): string[][] {
  const next = new Map(after.filter(isUdp).map((frontend) => [keyOf(frontend), frontend]));
  const known = new Set(before.map(keyOf));
  const lost = before.filter(isUdp).flatMap((frontend) => {
    const now = next.get(keyOf(frontend));
    const kept = new Set(targetsOf(now).map(({ ip, port }) => `${ip} ${port}`));
    const gone = new Set(
      targetsOf(frontend)
        .filter(({ ip, port }) => !kept.has(`${ip} ${port}`))
        .map(({ ip }) => ip),
    );
    const blackHoled = targetsOf(frontend).length === 0 && kept.size > 0;
    return [...[...gone].map((ip) => [...deletion(frontend), '--dst-nat', ip]), ...(blackHoled ? [deletion(frontend)] : [])];
  });
  const fresh = [...next.values()].filter((frontend) => !known.has(keyOf(frontend)) && targetsOf(frontend).length > 0).map(deletion);
  return [...lost, ...fresh];
}

/** Runs the deletions; a flow that is not there is as good as deleted. Where there is no conntrack the flows end with their timeout. */
export async function deleteFlows(
  runner: NftRunner,
  flows: readonly (readonly string[])[],
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (const args of flows) {
    try {
      await runner.run('conntrack', args, '', signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CommandFailed && error.stderr.includes('0 flow entries')) continue;
      log.warn('stale UDP flows could not be deleted', { args: args.join(' '), error: errorMessage(error) });
      if (errorCode(error) === 'ENOENT') return;
    }
  }
}

const isUdp = ({ protocol }: Frontend): boolean => protocol === 'udp';
const keyOf = ({ family, ip, protocol, port }: Frontend): string => `${family} ${ip} ${protocol} ${port}`;
const targetsOf = (frontend: Frontend | undefined): readonly Target[] =>
  frontend ? [...frontend.targets, ...(frontend.inCluster ?? [])] : [];

function deletion({ family, ip, port }: Frontend): string[] {
  const address = ip === undefined ? [] : ['--orig-dst', ip];
  return ['-D', '-f', family === 'ip' ? 'ipv4' : 'ipv6', '-p', 'udp', ...address, '--orig-port-dst', `${port}`];
}
