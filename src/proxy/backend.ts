import type { Frontend } from './frontends.ts';

/** A packet filter that can be brought to a state: nftables, iptables. Declared by the syncer, which calls it for one batch at a time. */
export interface RuleBackend {
  /** Notes the frontends of one Service, in place of those that it had; an empty list forgets it. Nothing is written yet. */
  set(service: string, frontends: readonly Frontend[]): void;
  /** Writes what changed since the last apply that succeeded, in one transaction; everything the first time and after a failure. */
  apply(signal: AbortSignal): Promise<void>;
  /** Removes everything of ours from the packet filter. */
  cleanup(): Promise<void>;
}
