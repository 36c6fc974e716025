import { createServer, type Socket } from 'node:net';
import { linesOf } from '../io.ts';
import { type ImageModel, type Program, server } from '../model.ts';
import { ConnectError } from '../pod-network.ts';
import type { SimProcess } from '../process.ts';
import { DEBIAN_PROGRAMS, DEBIAN_RELEASE, programTable, systemFiles, versionTags } from './base.ts';
import { RedisStore, type Reply } from './redis-store.ts';
import { decodeReply, decodeRequest, encodeReply, encodeRequest } from './resp.ts';

const PORT = 6379;

const redisServer: Program = server(async (process) => {
  const { clock } = process.world;
  const store = new RedisStore(clock);
  const asked = process.argv.indexOf('--port');
  const port = asked > 0 ? Number(process.argv[asked + 1]) : PORT;
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    answerOn(socket, store);
  });
  const { release } = await process.world.network.listen(tcp, port);
  process.onExit(() => {
    release();
    tcp.close();
    for (const socket of sockets) socket.destroy();
  });
  process.ready();
  const at = (): string => new Date(clock.now()).toUTCString().slice(5, 25);
  await process.stdout.write(
    `1:C ${at()} * oO0OoO0OoO0Oo Redis is starting (modelled by rockpool) oO0OoO0OoO0Oo\n1:M ${at()} * Running mode=standalone, port=${port}.\n1:M ${at()} * Ready to accept connections tcp\n`,
  );
  const code = await process.serve(['TERM', 'INT']);
  await process.stdout.write(`1:M ${at()} # Redis is now ready to exit, bye bye...\n`);
  return code;
});

function answerOn(socket: Socket, store: RedisStore): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let request = decodeRequest(rest); request; request = decodeRequest(rest)) {
      rest = rest.subarray(request.size);
      if (request.words.length === 0) continue;
      socket.write(encodeReply(store.run(request.words)));
      if (request.words[0]!.toUpperCase() === 'QUIT') socket.end();
    }
  });
}

const redisCli: Program = async (process) => {
  const words: string[] = [];
  const options = { h: '127.0.0.1', p: String(PORT) };
  for (let at = 1; at < process.argv.length; at++) {
    const word = process.argv[at]!;
    const option = words.length === 0 ? /^-([hpan])$/.exec(word)?.[1] : undefined;
    if (option) Object.assign(options, { [option]: process.argv[++at] });
    else if (words.length > 0 || !word.startsWith('-')) words.push(word);
  }
  const address = `${options.h}:${options.p}`;
  try {
    const socket = await process.world.network.connect(options.h, Number(options.p), { signal: process.killed });
    process.onExit(() => socket.destroy());
    return await (words.length > 0 ? once(process, socket, words) : converse(process, socket, address));
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    await process.stderr.write(`Could not connect to Redis at ${address}: ${error.message}\n`);
    return 1;
  }
};

async function once(process: SimProcess, socket: Socket, words: readonly string[]): Promise<number> {
  const reply = await exchange(socket, words);
  await process.stdout.write(`${shown(reply, process.stdout.isTty)}\n`);
  return typeof reply === 'object' && reply !== null && 'error' in reply ? 1 : 0;
}

async function converse(process: SimProcess, socket: Socket, address: string): Promise<number> {
  const prompt = async (): Promise<void> => void (process.stdin.isTty && (await process.stdout.write(`${address}> `)));
  await prompt();
  for await (const line of linesOf(process.stdin, process.killed)) {
    const words = (line.match(/"(?:[^"\\]|\\.)*"|'[^']*'|\S+/g) ?? []).map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
    if (/^(?:quit|exit)$/i.test(words[0] ?? '')) break;
    if (words.length > 0) await process.stdout.write(`${shown(await exchange(socket, words), process.stdin.isTty)}\n`);
    await prompt();
  }
  return 0;
}

function exchange(socket: Socket, words: readonly string[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let rest: Buffer = Buffer.alloc(0);
    const closed = (): void => reject(new Error('Server closed the connection'));
    const onData = (chunk: Buffer): void => {
      rest = Buffer.concat([rest, chunk]);
      const reply = decodeReply(rest);
      if (!reply) return;
      socket.off('data', onData);
      socket.off('close', closed);
      resolve(reply.value);
    };
    socket.on('data', onData);
    socket.once('close', closed);
    socket.write(encodeRequest(words));
  });
}

/** As redis-cli: plain for scripts, marked with types on a terminal. */
function shown(reply: Reply, isTty: boolean): string {
  if (reply === null) return isTty ? '(nil)' : '';
  if (typeof reply === 'number') return isTty ? `(integer) ${reply}` : String(reply);
  if (typeof reply === 'string') return isTty && !reply.includes('\r\n') ? `"${reply}"` : reply;
  if ('status' in reply) return reply.status;
  if ('error' in reply) return `${isTty ? '(error) ' : ''}${reply.error}`;
  if (reply.length === 0) return isTty ? '(empty array)' : '';
  return reply.map((item, at) => `${isTty ? `${at + 1}) ` : ''}${shown(item, isTty)}`).join('\n');
}

/** Options alone are redis-server's; anything else is a command of its own. */
const entrypoint: Program = server(async (process) => {
  const argv = process.argv.slice(1);
  const first = argv[0] ?? 'redis-server';
  if (first === 'redis-server' || first.startsWith('-') || first.endsWith('.conf')) return redisServer(process);
  process.ready();
  const child = process.spawn(argv);
  if (child) return child.ended;
  await process.stderr.write(`/usr/local/bin/docker-entrypoint.sh: exec: ${first}: not found\n`);
  return 127;
});

const image: ImageModel = {
  hasTag: versionTags([], ['alpine', 'alpine\\d+\\.\\d+', 'bookworm', 'trixie', 'bullseye']),
  sizeBytes: 52_461_800,
  memoryBytes: 11_000_000,
  entrypoint: ['docker-entrypoint.sh'],
  cmd: ['redis-server'],
  workingDir: '/data',
  env: { REDIS_VERSION: '8.2.1' },
  files: () => ({ ...systemFiles(DEBIAN_RELEASE, ['redis:x:999:999::/home/redis:/bin/sh']), '/data/.keep': '' }),
  programs: programTable(DEBIAN_PROGRAMS, [
    ['docker-entrypoint.sh', entrypoint],
    ['redis-server', redisServer],
    ['redis-cli', redisCli],
  ]),
};

export default image;
