/**
 * A terminal's line discipline: what is typed is shown, edited and handed on line by line; Ctrl-C interrupts, Ctrl-D ends. Up and down
 * recall earlier lines, which a real shell's own editor would do.
 */
import type { Output, Pipe } from './io.ts';

export interface Terminal {
  /** What programs write to. */
  readonly output: Output;
  /** Bytes as the client typed them. Resolves when there is room for more; throws or rejects with BrokenPipe when nobody reads. */
  keys(bytes: Buffer): void | Promise<void>;
}

export interface TerminalOptions {
  screen: Output;
  input: Pipe;
  /** Ctrl-C. */
  interrupt(): void;
}

const ESCAPE = '\u001b';
const UP = `${ESCAPE}[A`;
const DOWN = `${ESCAPE}[B`;
const ERASE_LINE = `\r${ESCAPE}[K`;

export function createTerminal({ screen, input, interrupt }: TerminalOptions): Terminal {
  const history: string[] = [];
  let line = '';
  let at = 0;
  /** What a program wrote on this line: the prompt, drawn anew when the line is. */
  let prompt = '';
  /** What is to be shown of the keys in hand: one write for all of them. */
  let shown = '';
  let full: void | Promise<void>;
  const show = (text: string): void => {
    shown += text;
  };
  const flush = (): void => {
    if (shown !== '') void screen.write(shown);
    shown = '';
  };
  const redraw = (next: string): void => {
    line = next;
    show(`${ERASE_LINE}${prompt}${line}`);
  };
  const submit = (): void => {
    if (line.trim() !== '' && history.at(-1) !== line) history.push(line);
    at = history.length;
    show('\r\n');
    // Before what the program will print.
    flush();
    prompt = '';
    full = input.write(`${line}\n`);
    line = '';
  };
  const recall = (step: number): void => {
    at = Math.min(Math.max(at + step, 0), history.length);
    redraw(history[at] ?? '');
  };
  const controls: Readonly<Record<string, () => void>> = {
    '\r': submit,
    '\n': submit,
    '\u0003': () => {
      show('^C\r\n');
      flush();
      line = '';
      prompt = '';
      interrupt();
    },
    '\u0004': () => {
      if (line === '') input.end();
    },
    '\u0008': () => erase(),
    '\u007f': () => erase(),
    '\u0015': () => redraw(''),
    '\u0017': () => redraw(line.replace(/\S*\s*$/, '')),
    '\u000c': () => {
      show('\u001b[H\u001b[2J');
      redraw(line);
    },
  };
  const erase = (): void => {
    if (line === '') return;
    line = line.slice(0, -1);
    show('\b \b');
  };
  return {
    output: {
      isTty: true,
      write(data) {
        const text = Buffer.from(data).toString('utf8').replaceAll(/\r?\n/g, '\r\n');
        prompt = text.includes('\n') ? text.slice(text.lastIndexOf('\n') + 1) : prompt + text;
        return screen.write(text);
      },
      end: () => undefined,
    },
    keys(bytes) {
      for (const key of keysOf(bytes.toString('utf8'))) {
        if (key === UP) recall(-1);
        else if (key === DOWN) recall(1);
        else if (controls[key]) controls[key]();
        else if (key >= ' ') {
          line += key;
          show(key);
        }
      }
      flush();
      const waits = full;
      full = undefined;
      return waits;
    },
  };
}

/** Characters, and the sequences of arrows and function keys in one piece. */
function* keysOf(text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const sequence = text[at] === ESCAPE ? /^.\[[0-9;]*[A-Za-z~]/s.exec(text.slice(at))?.[0] : undefined;
    const key = sequence ?? String.fromCodePoint(text.codePointAt(at)!);
    at += key.length;
    yield key;
  }
}
