/** Chooses the target of a new connection: in turn, or by client where the Service asks for affinity. */
import type { Clock } from '../../lib/clock.ts';
import type { Target } from './network.ts';

export interface Balancer {
  readonly targets: readonly Target[];
  /** Replaces the targets; a client stays with its own as long as that is among them. */
  set(targets: readonly Target[], affinitySeconds: number | undefined): void;
  /** Undefined when there is none. */
  choose(client: string): Target | undefined;
}

export function createBalancer(clock: Clock): Balancer {
  let targets: readonly Target[] = [];
  let affinityMs: number | undefined;
  let turn = 0;
  /** When each client was last seen, and where it went; oldest first. */
  const clients = new Map<string, { target: Target; at: number }>();

  function forgetOld(now: number): void {
    for (const [client, { at }] of clients) {
      if (now - at < affinityMs!) return;
      clients.delete(client);
    }
  }

  return {
    get targets() {
      return targets;
    },
    set(next, affinitySeconds) {
      targets = next;
      affinityMs = affinitySeconds === undefined ? undefined : affinitySeconds * 1000;
      if (affinityMs === undefined) clients.clear();
      for (const [client, { target }] of clients) if (!next.some((one) => sameTarget(one, target))) clients.delete(client);
    },
    choose(client) {
      const now = clock.monotonic();
      if (affinityMs !== undefined) forgetOld(now);
      const known = clients.get(client)?.target;
      const target = known ?? targets[turn++ % Math.max(targets.length, 1)];
      if (target && affinityMs !== undefined) {
        // Put at the end anew, so that the order stays that of the last visits.
        clients.delete(client);
        clients.set(client, { target, at: now });
      }
      return target;
    },
  };
}

export function sameTarget(a: Target, b: Target): boolean {
  return a.ip === b.ip && a.port === b.port;
}
