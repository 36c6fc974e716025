/** Shell patterns (`*`, `?`, `[a-z]`), in which a backslash takes a character's meaning away. */

/** `anchored` false leaves the end open: for the shortest and longest prefix. */
export function patternSource(pattern: string): string {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === '*') source += '[^]*';
    else if (char === '?') source += '[^]';
    else if (char === '\\') source += escape(pattern[++at] ?? '\\');
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) source += '\\[';
      else {
        const inner = pattern
          .slice(at + 1, end)
          .replace(/^!/, '^')
          .replaceAll('[:digit:]', '0-9')
          .replaceAll('[:alpha:]', 'a-zA-Z')
          .replaceAll('[:space:]', '\\s');
        source += `[${inner.replaceAll('\\', '\\\\')}]`;
        at = end;
      }
    } else source += escape(char);
  }
  return source;
}

export function matchesPattern(text: string, pattern: string): boolean {
  return new RegExp(`^${patternSource(pattern)}$`, 'u').test(text);
}

export function isPattern(pattern: string): boolean {
  return /(?:^|[^\\])[*?[]/.test(pattern);
}

/** The text with every special character made literal. */
export function literalPattern(text: string): string {
  return text.replaceAll(/[*?[\]\\]/g, '\\$&');
}

function escape(char: string): string {
  return char.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
}
