/** Short options as getopt(3) reads them. */
export interface Arguments {
  /** Letters that were given. */
  flags: ReadonlySet<string>;
  /** The value of an option that takes one; the last counts. */
  value(letter: string): string | undefined;
  values(letter: string): readonly string[];
  operands: readonly string[];
}

export class UsageError extends Error {
  override name = 'UsageError';
}

/**
 * `valued` names the letters that take a value (`n` for `-n 5` and `-n5`); `long` maps long options to letters (`--lines=5`). With
 * `mixed` options may stand behind operands. Throws UsageError for what is not in `known`.
 */
export function parseArguments(
  argv: readonly string[],
  {
    known,
    valued = '',
    long = {},
    mixed = true,
  }: { known: string; valued?: string; long?: Readonly<Record<string, string>>; mixed?: boolean },
): Arguments {
  const flags = new Set<string>();
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  const setValue = (letter: string, value: string | undefined): void => {
    if (value === undefined) throw new UsageError(`option requires an argument -- '${letter}'`);
    values.set(letter, [...(values.get(letter) ?? []), value]);
  };
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '--') {
      operands.push(...argv.slice(at + 1));
      break;
    }
    if (word.startsWith('--')) {
      const [name, attached] = split(word.slice(2));
      const letter = long[name];
      if (!letter) throw new UsageError(`unrecognized option '--${name}'`);
      flags.add(letter);
      if (valued.includes(letter)) setValue(letter, attached ?? argv[++at]);
    } else if (word.startsWith('-') && word.length > 1) {
      for (let i = 1; i < word.length; i++) {
        const letter = word[i]!;
        if (!known.includes(letter) && !valued.includes(letter)) throw new UsageError(`invalid option -- '${letter}'`);
        flags.add(letter);
        if (!valued.includes(letter)) continue;
        setValue(letter, word.slice(i + 1) || argv[++at]);
        break;
      }
    } else {
      operands.push(word);
      if (!mixed) {
        operands.push(...argv.slice(at + 1));
        break;
      }
    }
  }
  return { flags, operands, value: (letter) => values.get(letter)?.at(-1), values: (letter) => values.get(letter) ?? [] };
}

function split(text: string): [string, string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** `5`, `1.5`, `2m`, `1h`, `1d`, `infinity` in milliseconds; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  if (text === 'infinity' || text === 'inf') return Number.POSITIVE_INFINITY;
  const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * { '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as '' | 's' | 'm' | 'h' | 'd'];
}
