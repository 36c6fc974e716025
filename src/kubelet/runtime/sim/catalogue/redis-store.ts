/** Redis's data and commands: strings, numbers, lists, sets, hashes and expiry; the part that tutorials use. */
import type { Clock } from '../../../../lib/clock.ts';

/** A reply of the protocol: a text, a number, nothing, a list, a simple status or an error. */
export type Reply = string | number | null | readonly Reply[] | { status: string } | { error: string };

interface Entry {
  value: string | string[] | Set<string> | Map<string, string>;
  /** Milliseconds since the epoch; undefined for never. */
  expiresAt?: number;
}

type Command = (words: readonly string[], data: RedisStore) => Reply;

const OK: Reply = { status: 'OK' };
const WRONG_TYPE: Reply = { error: 'WRONGTYPE Operation against a key holding the wrong kind of value' };

export class RedisStore {
  readonly clock: Clock;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  run(words: readonly string[]): Reply {
    const name = (words[0] ?? '').toUpperCase();
    const command = COMMANDS[name];
    if (!command)
      return {
        error: `ERR unknown command '${words[0] ?? ''}', with args beginning with: ${words
          .slice(1)
          .map((word) => `'${word}' `)
          .join('')}`,
      };
    if (words.length < (MINIMUM[name] ?? 1)) return { error: `ERR wrong number of arguments for '${name.toLowerCase()}' command` };
    try {
      return command(words, this);
    } catch (error) {
      if (error instanceof TypeError && error.message === 'type') return WRONG_TYPE;
      throw error;
    }
  }

  /** What is there and has not expired. */
  get(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.expiresAt === undefined || entry.expiresAt > this.clock.now()) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
  }

  delete(key: string): boolean {
    return this.get(key) !== undefined && this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }

  keys(): string[] {
    return [...this.#entries.keys()].filter((key) => this.get(key) !== undefined);
  }

  text(key: string): string | undefined {
    const value = this.get(key)?.value;
    if (value !== undefined && typeof value !== 'string') throw new TypeError('type');
    return value;
  }

  list(key: string): string[] {
    return this.#of(
      key,
      (value): value is string[] => Array.isArray(value),
      () => [],
    );
  }

  members(key: string): Set<string> {
    return this.#of(
      key,
      (value): value is Set<string> => value instanceof Set,
      () => new Set(),
    );
  }

  hash(key: string): Map<string, string> {
    return this.#of(
      key,
      (value): value is Map<string, string> => value instanceof Map,
      () => new Map(),
    );
  }

  #of<T extends Entry['value']>(key: string, fits: (value: Entry['value']) => value is T, make: () => T): T {
    const value = this.get(key)?.value;
    if (value === undefined) {
      const made = make();
      this.set(key, { value: made });
      return made;
    }
    if (!fits(value)) throw new TypeError('type');
    return value;
  }
}

const MINIMUM: Readonly<Record<string, number>> = {
  GET: 2,
  SET: 3,
  INCR: 2,
  DECR: 2,
  INCRBY: 3,
  DECRBY: 3,
  DEL: 2,
  EXISTS: 2,
  KEYS: 2,
  EXPIRE: 3,
  TTL: 2,
  APPEND: 3,
  LPUSH: 3,
  RPUSH: 3,
  LRANGE: 4,
  LLEN: 2,
  SADD: 3,
  SMEMBERS: 2,
  HSET: 4,
  HGET: 3,
  HGETALL: 2,
  ECHO: 2,
  TYPE: 2,
  MGET: 2,
};

const COMMANDS: Readonly<Record<string, Command>> = {
  PING: ([, text]) => text ?? { status: 'PONG' },
  ECHO: ([, text]) => text!,
  SELECT: () => OK,
  AUTH: () => ({
    error: 'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
  }),
  QUIT: () => OK,
  COMMAND: () => [],
  CLIENT: () => OK,
  HELLO: () => ({ error: 'NOPROTO unsupported protocol version' }),
  CONFIG: ([, action, name]) => (action?.toUpperCase() === 'GET' ? [name ?? '', ''] : OK),
  GET: ([, key], data) => data.text(key!) ?? null,
  MGET: ([, ...keys], data) => keys.map((key) => data.text(key) ?? null),
  SET: set,
  SETNX: ([, key, value], data) => (data.get(key!) ? 0 : (data.set(key!, { value: value! }), 1)),
  APPEND: ([, key, text], data) => {
    const value = (data.text(key!) ?? '') + text!;
    data.set(key!, { ...data.get(key!), value });
    return value.length;
  },
  INCR: ([, key], data) => increment(data, key!, 1),
  DECR: ([, key], data) => increment(data, key!, -1),
  INCRBY: ([, key, by], data) => increment(data, key!, Number(by)),
  DECRBY: ([, key, by], data) => increment(data, key!, -Number(by)),
  DEL: ([, ...keys], data) => keys.filter((key) => data.delete(key)).length,
  UNLINK: ([, ...keys], data) => keys.filter((key) => data.delete(key)).length,
  EXISTS: ([, ...keys], data) => keys.filter((key) => data.get(key)).length,
  KEYS: ([, pattern], data) => data.keys().filter((key) => globMatches(key, pattern!)),
  SCAN: (_, data) => ['0', data.keys()],
  DBSIZE: (_, data) => data.keys().length,
  FLUSHALL: (_, data) => (data.clear(), OK),
  FLUSHDB: (_, data) => (data.clear(), OK),
  TYPE: ([, key], data) => ({ status: typeOf(data.get(key!)?.value) }),
  EXPIRE: ([, key, seconds], data) => expire(data, key!, Number(seconds)),
  PERSIST: ([, key], data) => (data.get(key!)?.expiresAt === undefined ? 0 : (data.set(key!, { value: data.get(key!)!.value }), 1)),
  TTL: ([, key], data) => {
    const entry = data.get(key!);
    return entry ? (entry.expiresAt === undefined ? -1 : Math.round((entry.expiresAt - data.clock.now()) / 1000)) : -2;
  },
  LPUSH: ([, key, ...values], data) => data.list(key!).unshift(...values.toReversed()),
  RPUSH: ([, key, ...values], data) => data.list(key!).push(...values),
  LPOP: ([, key], data) => data.list(key!).shift() ?? null,
  RPOP: ([, key], data) => data.list(key!).pop() ?? null,
  LLEN: ([, key], data) => data.list(key!).length,
  LRANGE: ([, key, from, to], data) => data.list(key!).slice(Number(from), Number(to) === -1 ? undefined : Number(to) + 1),
  SADD: ([, key, ...values], data) => values.filter((value) => !data.members(key!).has(value) && data.members(key!).add(value)).length,
  SREM: ([, key, ...values], data) => values.filter((value) => data.members(key!).delete(value)).length,
  SMEMBERS: ([, key], data) => [...data.members(key!)],
  SCARD: ([, key], data) => data.members(key!).size,
  SISMEMBER: ([, key, value], data) => Number(data.members(key!).has(value!)),
  HSET: ([, key, ...pairs], data) => {
    const hash = data.hash(key!);
    const before = hash.size;
    for (let at = 0; at + 1 < pairs.length; at += 2) hash.set(pairs[at]!, pairs[at + 1]!);
    return hash.size - before;
  },
  HGET: ([, key, name], data) => data.hash(key!).get(name!) ?? null,
  HGETALL: ([, key], data) => [...data.hash(key!)].flat(),
  INFO: (_, data) =>
    `# Server\r\nredis_version:8.2.1\r\nredis_mode:standalone\r\nos:Linux (modelled by rockpool)\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n# Keyspace\r\n${data.keys().length > 0 ? `db0:keys=${data.keys().length},expires=0,avg_ttl=0\r\n` : ''}`,
  ROLE: () => ['master', 0, []],
  SAVE: () => OK,
  BGSAVE: () => ({ status: 'Background saving started' }),
};

function set([, key, value, ...options]: readonly string[], data: RedisStore): Reply {
  const flags = options.map((option) => option.toUpperCase());
  const present = data.get(key!) !== undefined;
  if ((flags.includes('NX') && present) || (flags.includes('XX') && !present)) return null;
  const [seconds, ms] = ['EX', 'PX'].map((flag) => (flags.includes(flag) ? Number(options[flags.indexOf(flag) + 1]) : undefined));
  const lives = seconds === undefined ? ms : seconds * 1000;
  data.set(key!, { value: value!, ...(lives === undefined ? {} : { expiresAt: data.clock.now() + lives }) });
  return OK;
}

function increment(data: RedisStore, key: string, by: number): Reply {
  const before = data.text(key) ?? '0';
  if (!/^-?\d+$/.test(before) || !Number.isInteger(by)) return { error: 'ERR value is not an integer or out of range' };
  const value = Number(before) + by;
  data.set(key, { ...data.get(key), value: String(value) });
  return value;
}

function expire(data: RedisStore, key: string, seconds: number): Reply {
  const entry = data.get(key);
  if (!entry) return 0;
  data.set(key, { ...entry, expiresAt: data.clock.now() + seconds * 1000 });
  return 1;
}

function typeOf(value: Entry['value'] | undefined): string {
  if (value === undefined) return 'none';
  return typeof value === 'string' ? 'string' : Array.isArray(value) ? 'list' : value instanceof Set ? 'set' : 'hash';
}

function globMatches(text: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[\\^$.+()|{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(text);
}
