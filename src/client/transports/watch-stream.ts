import type { WatchEvent } from '../../api/meta.ts';

const NEWLINE = 0x0a;

/**
 * The events of a watch, which are JSON values one a line, in batches as the network delivered them. A line may be cut anywhere, within a
 * character too. Ends when the server ends the stream in good order or the signal aborts; throws what else cut it off.
 */
export async function* watchEvents(body: AsyncIterable<Buffer>, signal?: AbortSignal): AsyncGenerator<readonly WatchEvent[]> {
  let rest: Buffer[] = [];
  try {
    for await (const chunk of body) {
      const end = chunk.lastIndexOf(NEWLINE);
      if (end < 0) {
        rest.push(chunk);
        continue;
      }
      const lines = Buffer.concat([...rest, chunk.subarray(0, end)]);
      rest = end + 1 < chunk.length ? [chunk.subarray(end + 1)] : [];
      const batch = parseLines(lines);
      if (batch.length > 0) yield batch;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

function parseLines(lines: Buffer): WatchEvent[] {
  const events: WatchEvent[] = [];
  for (const line of lines.toString('utf8').split('\n')) {
    if (line) events.push(JSON.parse(line) as WatchEvent);
  }
  return events;
}
