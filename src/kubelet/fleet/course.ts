/** How long a container of a simulated node runs, and how it ends. Read off its command; what it would really do is not run. Pure. */
import type { Container } from '../../api/types.gen.ts';

export interface Course {
  /** Milliseconds; undefined for a container that runs until it is stopped. */
  endsAfterMs: number | undefined;
  exitCode: number;
}

const FOREVER: Course = { endsAfterMs: undefined, exitCode: 0 };
/** Images whose commands end; anything else is a server. */
const SHELL_IMAGES = /(?:^|\/)(?:busybox|alpine|bash|debian|ubuntu|perl|python|curlimages\/curl|hello-world)(?:[:@]|$)/;
const LOOPS = /\bwhile\b|\buntil\b|\btail\s+-[a-zA-Z]*[fF]|\bsleep\s+(?:infinity|inf)\b/;
const QUICK_MS = 500;
const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export function courseOf({ image = '', command = [], args = [] }: Container): Course {
  if (!SHELL_IMAGES.test(image)) return FOREVER;
  const words = [...command, ...args];
  if (words.length === 0) return { endsAfterMs: QUICK_MS, exitCode: 0 };
  const text = words.join(' ');
  if (LOOPS.test(text)) return FOREVER;
  let sleep = 0;
  for (const [, amount, unit] of text.matchAll(/\bsleep\s+(\d+(?:\.\d+)?)([smhd]?)\b/g))
    sleep += Number(amount) * UNITS[(unit || 's') as keyof typeof UNITS];
  const exit = /\bexit\s+(\d+)/.exec(text)?.[1] ?? (words[0] === 'false' ? '1' : '0');
  return { endsAfterMs: Math.max(sleep, QUICK_MS), exitCode: Number(exit) % 256 };
}
