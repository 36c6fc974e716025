/**
 * Whether a regular expression may take long. Kubernetes's engine, RE2, is linear; JavaScript's backtracks, and a pattern may make it try
 * exponentially many ways. Most do not: what is found harmless here needs no guard.
 */

/** Ways to match that are tried in a moment. */
const HARMLESS = 1e6;

/** Generous: false only where repetitions do not nest, and are too few for the length of the text. */
export function isRisky(text: string, pattern: string): boolean {
  let known = shapes.get(pattern);
  if (!known) {
    if (shapes.size >= MOST_SHAPES) shapes.clear();
    shapes.set(pattern, (known = shapeOf(pattern)));
  }
  return known.nests || (text.length + 1) ** (known.repetitions + 1) > HARMLESS;
}

interface Shape {
  /** A repeated group contains a repetition or a choice. */
  nests: boolean;
  repetitions: number;
}

const shapes = new Map<string, Shape>();
const MOST_SHAPES = 1000;

const TOKEN = /\\.|\[(?:\\.|[^\]\\])*\]|[()|]|[*+]|\{\d+(?:,\d*)?\}|[^]/g;

function shapeOf(pattern: string): Shape {
  const shape: Shape = { nests: false, repetitions: 0 };
  /** For each open group: whether there is something in it that can go more than one way. */
  const open: boolean[] = [false];
  let closed = false;
  for (const [token] of pattern.matchAll(TOKEN)) {
    const repeats = token === '*' || token === '+' || token.startsWith('{');
    if (repeats) {
      shape.repetitions++;
      shape.nests ||= closed;
      open[open.length - 1] = true;
    }
    if (token === '|') open[open.length - 1] = true;
    closed = false;
    if (token === '(') open.push(false);
    if (token === ')' && open.length > 1) {
      closed = open.pop()!;
      if (closed) open[open.length - 1] = true;
    }
  }
  return shape;
}
