import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from './config.ts';
import { readLeaderElectionFlags } from './leader-flags.ts';

const READ: [args: string[], expected: object][] = [
  [[], { elect: true }],
  [['--leader-elect'], { elect: true }],
  [['--leader-elect=false'], { elect: false }],
  [
    ['--leader-elect-lease-duration=1m', '--leader-elect-renew-deadline=40s', '--leader-elect-retry-period=500ms'],
    { elect: true, leaseDurationMs: 60_000, renewDeadlineMs: 40_000, retryPeriodMs: 500 },
  ],
];

for (const [args, expected] of READ)
  test(`flags of leader election: ${args.join(' ') || 'none'}`, () => assert.deepEqual(readLeaderElectionFlags(args), expected));

const REFUSED: [args: string[], message: RegExp][] = [
  [['--leader-elect=perhaps'], /^--leader-elect: must be true or false$/],
  [['--leader-elect-lease-duration=15'], /^--leader-elect-lease-duration: must be a duration like 15s$/],
  [['--leader-elect-lease-duration=5s'], /^--leader-elect-lease-duration: must be greater than the renew deadline$/],
  [['--leader-elect-retry-period=9s'], /^--leader-elect-renew-deadline: must be greater than 1.2 retry periods$/],
  [['--leader=yes'], /^--leader: unknown flag$/],
];

for (const [args, message] of REFUSED)
  test(`flags of leader election are refused: ${args.join(' ')}`, () =>
    assert.throws(
      () => readLeaderElectionFlags(args),
      (error) => error instanceof ConfigError && message.test(error.message),
    ));
