import type { Clock } from '../lib/clock.ts';
import type { Rng } from '../lib/random.ts';
import type { Progress } from './progress.ts';

/** What every piece of the lifecycle manager is given by the entry point; nothing below reads the environment or the hour itself. */
export interface ClusterContext {
  /** Rockpool's folder: profiles and caches. */
  home: string;
  /** The user's home folder: `.kube/config` stands there. */
  userHome: string;
  /** Rockpool's own package: holds dist/, addons/ and images/. */
  packageRoot: string;
  version: string;
  env: Readonly<Record<string, string | undefined>>;
  clock: Clock;
  rng: Rng;
  progress: Progress;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
}
