/** One line of a CRI log file: `<RFC3339Nano> <stdout|stderr> <P|F> <text>`; P means that the line goes on in the next entry. */
export interface LogEntry {
  /** As written, nanoseconds and all. */
  time: string;
  stream: 'stdout' | 'stderr';
  partial: boolean;
  /** With the newline, unless partial. */
  text: string;
}

/** Undefined for what is no log line (a torn write at a crash). */
export function parseLogLine(line: string): LogEntry | undefined {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  const third = line.indexOf(' ', second + 1);
  if (first < 0 || second < 0 || third < 0) return undefined;
  const stream = line.slice(first + 1, second);
  if (stream !== 'stdout' && stream !== 'stderr') return undefined;
  const partial = line.slice(second + 1, third).startsWith('P');
  const text = line.slice(third + 1);
  return { time: line.slice(0, first), stream, partial, text: partial ? text : `${text}\n` };
}
