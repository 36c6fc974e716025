/** Runes of all warnings together, beyond which each is cut to ITEM_RUNES (apiserver's truncateAtTotalRunes and truncateItemRunes). */
const TOTAL_RUNES = 4096;
const ITEM_RUNES = 256;

/**
 * The value of the `Warning` header (RFC 7234, 5.5) for all texts, as upstream words it: what holds control characters is not said, much is
 * cut. Its characters stand for the bytes of UTF-8, which is how Node's headers carry them. undefined: nothing to say.
 */
export function warningHeader(texts: readonly string[]): string | undefined {
  const sayable = texts.filter((text) => !CONTROL.test(text)).map((text) => text.toWellFormed());
  if (sayable.length === 0) return undefined;
  const said = sayable.reduce((sum, text) => sum + text.length, 0) > TOTAL_RUNES ? cut(sayable) : sayable;
  const value = said.map((text) => `299 - "${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join(', ');
  return Buffer.from(value).toString('latin1');
}

const CONTROL = /\p{Cc}/u;

function cut(texts: readonly string[]): string[] {
  const short: string[] = [];
  let written = 0;
  for (const text of texts) {
    if (written >= TOTAL_RUNES) break;
    const runes = Array.from(text.slice(0, 2 * ITEM_RUNES)).slice(0, ITEM_RUNES);
    written += runes.length;
    short.push(runes.join(''));
  }
  return short;
}
