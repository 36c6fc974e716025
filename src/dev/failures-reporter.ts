import type { TestEvent } from 'node:test/reporters';

/** A node:test reporter that writes the path of each file in which something failed, once. */
export default async function* failures(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const told = new Set<string>();
  for await (const event of source) {
    if (event.type !== 'test:fail') continue;
    const { file } = event.data;
    if (file === undefined || told.has(file)) continue;
    told.add(file);
    yield `${file}\n`;
  }
}
