/** Structured logging to stderr: one line an entry, `level` filtered at the source. Pass it in; there is no global one. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose entries also carry `fields`. */
  with(fields: LogFields): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 };

export interface LoggerOptions {
  level?: LogLevel;
  /** Where a finished line goes; the process's stderr unless given. */
  write?: (line: string) => void;
  now?: () => number;
}

/** A logger that writes lines of text; `bound` are fields of every entry. */
export function createLogger(options: LoggerOptions = {}, bound: LogFields = {}): Logger {
  const { level = 'info', write = (line) => void process.stderr.write(line), now = () => Date.now() } = options;
  const emit = (at: Exclude<LogLevel, 'silent'>, message: string, fields?: LogFields): void => {
    if (RANK[at] < RANK[level]) return;
    const parts = Object.entries({ ...bound, ...fields }).map(([key, value]) => ` ${key}=${format(value)}`);
    write(`${new Date(now()).toISOString()} ${at.toUpperCase().padEnd(5)} ${message}${parts.join('')}\n`);
  };
  return {
    debug: (message, fields) => emit('debug', message, fields),
    info: (message, fields) => emit('info', message, fields),
    warn: (message, fields) => emit('warn', message, fields),
    error: (message, fields) => emit('error', message, fields),
    with: (fields) => createLogger(options, { ...bound, ...fields }),
  };
}

export const silentLogger: Logger = createLogger({ level: 'silent' });

function format(value: unknown): string {
  if (value instanceof Error)
    return JSON.stringify(value.cause instanceof Error ? `${value.message}: ${value.cause.message}` : value.message);
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? 'undefined';
}
