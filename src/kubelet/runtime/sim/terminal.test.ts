import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Collector, Pipe, readLine } from './io.ts';
import { createTerminal } from './terminal.ts';

function newTerminal() {
  const screen = new Collector();
  const input = new Pipe({ isTty: true });
  let interrupts = 0;
  const terminal = createTerminal({ screen, input, interrupt: () => interrupts++ });
  return {
    screen: () => screen.bytes().toString('utf8'),
    input,
    type: (text: string) => void terminal.keys(Buffer.from(text)),
    output: terminal.output,
    interrupts: () => interrupts,
  };
}

describe('terminal', () => {
  const lines: readonly (readonly [string, string, string])[] = [
    ['a line ends with return', 'ls -l\r', 'ls -l'],
    ['backspace takes a character back', 'lss\u007f\r', 'ls'],
    ['backspace at the start does nothing', '\u007f\u007fls\r', 'ls'],
    ['Ctrl-U empties the line', 'rm -rf /\u0015ls\r', 'ls'],
    ['Ctrl-W takes a word back', 'cat this\u0017that\r', 'cat that'],
    ['arrows and function keys print nothing', 'l\u001b[C\u001b[15~s\r', 'ls'],
    ['letters of any script', 'écho 日本\u007f\r', 'écho 日'],
  ];
  for (const [name, typed, expected] of lines) {
    it(name, async () => {
      const { input, type } = newTerminal();
      type(typed);
      assert.equal(await readLine(input), expected);
    });
  }

  it('shows what is typed, and newlines as a terminal needs them', async () => {
    const { type, screen, output, input } = newTerminal();
    await output.write('$ ');
    type('ls\r');
    await readLine(input);
    await output.write('a\nb\n');
    assert.equal(screen(), '$ ls\r\na\r\nb\r\n');
  });

  it('up and down recall earlier lines after the prompt', async () => {
    const { type, input, output, screen } = newTerminal();
    for (const line of ['one\r', 'two\r']) {
      type(line);
      await readLine(input);
    }
    await output.write('$ ');
    type('\u001b[A\u001b[A\u001b[B\r');
    assert.equal(await readLine(input), 'two');
    assert.ok(screen().endsWith('\r\u001b[K$ two\r\n'));
  });

  it('Ctrl-C interrupts and forgets the line, Ctrl-D ends the input', async () => {
    const { type, interrupts, input } = newTerminal();
    type('abc\u0003');
    assert.equal(interrupts(), 1);
    type('\u0004');
    assert.equal(await readLine(input), undefined);
  });
});
