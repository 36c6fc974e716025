import type { TestEvent } from 'node:test/reporters';

/** A node:test reporter that writes one line for each skipped test: its name and the reason. */
export default async function* skips(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { skip, name } = event.data;
    if (skip !== undefined && skip !== false) yield `${name}: ${typeof skip === 'string' ? skip : 'no reason given'}\n`;
  }
}
