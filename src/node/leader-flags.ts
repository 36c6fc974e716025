/** What a scheduler or controllers in a process of their own are told of leader election, by upstream's flags and with its defaults. */
import { durationMs } from '../scheduler/config/shape.ts';
import { ConfigError } from './config.ts';

export interface LeaderElectionFlags {
  /** `--leader-elect`; true unless given. */
  elect: boolean;
  /** `--leader-elect-lease-duration`, as long as those who stand by wait at least; 15s unless given. */
  leaseDurationMs?: number;
  /** `--leader-elect-renew-deadline`, as long as a leader that cannot renew goes on; 10s unless given. */
  renewDeadlineMs?: number;
  /** `--leader-elect-retry-period`, between two tries; 2s unless given. */
  retryPeriodMs?: number;
}

const TIMES = {
  '--leader-elect-lease-duration': 'leaseDurationMs',
  '--leader-elect-renew-deadline': 'renewDeadlineMs',
  '--leader-elect-retry-period': 'retryPeriodMs',
} as const;

/** Reads `--flag=value`s. Throws ConfigError with the flag that is unknown, or whose value is wrong. */
export function readLeaderElectionFlags(args: readonly string[]): LeaderElectionFlags {
  const flags: LeaderElectionFlags = { elect: true };
  for (const argument of args) {
    const [, flag = argument, value = ''] = /^([^=]+)=(.*)$/s.exec(argument) ?? [];
    const time = TIMES[flag as keyof typeof TIMES];
    if (time) flags[time] = positive(flag, value);
    else if (flag === '--leader-elect' && ['', 'true', 'false'].includes(value)) flags.elect = value !== 'false';
    else throw new ConfigError(`${flag}: ${flag === '--leader-elect' ? 'must be true or false' : 'unknown flag'}`);
  }
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryPeriodMs = 2000 } = flags;
  if (leaseDurationMs <= renewDeadlineMs) throw new ConfigError('--leader-elect-lease-duration: must be greater than the renew deadline');
  // client-go's JitterFactor: a try may come so much later than the period.
  if (renewDeadlineMs <= 1.2 * retryPeriodMs)
    throw new ConfigError('--leader-elect-renew-deadline: must be greater than 1.2 retry periods');
  return flags;
}

function positive(flag: string, text: string): number {
  const ms = durationMs(text);
  if (ms === undefined || ms <= 0) throw new ConfigError(`${flag}: must be a duration like 15s`);
  return ms;
}
