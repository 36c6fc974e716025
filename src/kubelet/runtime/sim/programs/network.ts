/** nc, nslookup and the other programs with which people look at networks. */
import { createServer, isIP, type Socket } from 'node:net';
import { errorMessage } from '../../../../lib/errors.ts';
import { BrokenPipe } from '../io.ts';
import type { Program } from '../model.ts';
import { ConnectError } from '../pod-network.ts';
import type { SimProcess } from '../process.ts';
import { parseArguments } from './arguments.ts';
import { complain } from './files-of.ts';

const nc: Program = async (process) => {
  const { flags, operands, value } = parseArguments(process.argv, { known: 'zvlkun', valued: 'wpeiqs' });
  if (flags.has('u')) {
    await complain(process, 'UDP is not modelled');
    return 1;
  }
  if (flags.has('l')) return listen(process, Number(value('p') ?? operands.at(-1)), { again: flags.has('k'), command: value('e') });
  const [host = '', port = ''] = operands;
  const seconds = value('w');
  try {
    const socket = await process.world.network.connect(host, Number(port), {
      signal: process.killed,
      timeoutMs: seconds === undefined ? undefined : Number(seconds) * 1000,
    });
    process.onExit(() => socket.destroy());
    if (flags.has('v') || flags.has('z')) await (flags.has('v') ? process.stderr.write(`${host} (${host}:${port}) open\n`) : undefined);
    if (!flags.has('z')) await exchange(process, socket);
    return 0;
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    if (error.reason === 'unknown-host') await complain(process, `bad address '${host}'`);
    else if (!flags.has('z') || flags.has('v'))
      await complain(process, error.reason === 'timeout' ? 'timed out' : `can't connect to remote host (${host}): ${error.message}`);
    return 1;
  }
};

/** stdin to the socket, the socket to stdout, until the other side is done. */
async function exchange(process: SimProcess, socket: Socket): Promise<void> {
  const sending = (async () => {
    for (let chunk = await process.stdin.read(process.killed); chunk; chunk = await process.stdin.read(process.killed)) socket.write(chunk);
    socket.end();
  })();
  sending.catch(() => socket.destroy());
  try {
    for await (const chunk of socket) await process.stdout.write(chunk as Buffer);
  } catch (error) {
    if (error instanceof BrokenPipe) throw error;
    await complain(process, (error as Error).message);
  }
}

function listen(process: SimProcess, port: number, { again, command }: { again: boolean; command: string | undefined }): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      if (!again) server.close();
      socket.on('error', () => socket.destroy());
      process.onExit(() => socket.destroy());
      const served = command === undefined ? exchange(process, socket) : answerWith(process, socket, command);
      served.then(() => (again ? undefined : resolve(0)), reject);
    });
    process.onExit(() => server.close());
    process.world.network.listen(server, port).then(({ release }) => process.onExit(release), reject);
  });
}

/** `nc -l -e COMMAND`: the connection is the command's stdin and stdout. */
async function answerWith(process: SimProcess, socket: Socket, command: string): Promise<void> {
  const iterator = socket[Symbol.asyncIterator]();
  const stdin = {
    isTty: false,
    read: async () => (await iterator.next()).value as Buffer | undefined,
    unread: (chunk: Buffer) => socket.unshift(chunk),
    close: () => undefined,
  };
  const stdout = { isTty: false, write: (data: string | Uint8Array) => void socket.write(data), end: () => void socket.end() };
  await process.spawn(command.split(' '), { stdin, stdout })?.ended;
  socket.end();
}

/** busybox's and BIND's forms are alike enough: the server, then names with addresses; exit code 1 when there is none. */
const nslookup: Program = async (process) => {
  const names = process.argv.slice(1).filter((word) => !word.startsWith('-'));
  const { network } = process.world;
  const server = names[1] ?? network.dns.servers[0] ?? '127.0.0.1';
  const name = names[0] ?? '';
  await process.stdout.write(`Server:\t\t${server}\nAddress:\t${server}:53\n\n`);
  let found;
  try {
    found = await network.lookup(name, process.killed);
  } catch (error) {
    process.killed.throwIfAborted();
    await process.stdout.write(`;; ${errorMessage(error)}\n\n`);
    return 1;
  }
  const { name: answered, addresses } = found;
  if (addresses.length === 0) {
    await process.stdout.write(`** server can't find ${name}: NXDOMAIN\n\n`);
    return 1;
  }
  for (const address of addresses) await process.stdout.write(`Name:\t${answered}\nAddress: ${address}\n`);
  await process.stdout.write('\n');
  return 0;
};

const dig: Program = async (process) => {
  const words = process.argv.slice(1);
  const name = words.find((word) => !/^[-+@]/.test(word) && !/^(?:A|AAAA|ANY|IN|SRV)$/i.test(word)) ?? '';
  // dig does not use the search list unless asked to
  const { addresses } = await process.world.network.lookup(
    words.includes('+search') ? name : `${name.replace(/\.$/, '')}.`,
    process.killed,
  );
  if (words.includes('+short')) {
    for (const address of addresses) await process.stdout.write(`${address}\n`);
    return 0;
  }
  const status = addresses.length > 0 ? 'NOERROR' : 'NXDOMAIN';
  const answer = addresses
    .map((address) => `${name.replace(/\.$/, '')}.\t5\tIN\t${address.includes(':') ? 'AAAA' : 'A'}\t${address}\n`)
    .join('');
  const section = answer === '' ? '' : `;; ANSWER SECTION:\n${answer}\n`;
  await process.stdout.write(
    `;; ->>HEADER<<- opcode: QUERY, status: ${status}\n;; QUESTION SECTION:\n;${name.replace(/\.$/, '')}.\t\tIN\tA\n\n${section};; SERVER: ${process.world.network.dns.servers[0] ?? ''}#53\n`,
  );
  return 0;
};

const getent: Program = async (process) => {
  const [, , name = ''] = process.argv;
  const { addresses } = await process.world.network.lookup(name, process.killed);
  for (const address of addresses) await process.stdout.write(`${address.padEnd(15)} ${name}\n`);
  return addresses.length > 0 ? 0 : 2;
};

const IP_TEXT = (ip: string): string =>
  `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n2: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500\n    inet ${ip}/24 scope global eth0\n`;

const ip: Program = async (process) => {
  const [, what = 'addr'] = process.argv;
  if (!/^(?:a|addr|address)$/.test(what)) {
    await complain(process, `'${what}' is not modelled`);
    return 1;
  }
  await process.stdout.write(IP_TEXT(process.world.network.ip));
  return 0;
};

const ifconfig: Program = async ({ stdout, world }) => {
  await stdout.write(
    `eth0      Link encap:Ethernet\n          inet addr:${world.network.ip}  Bcast:0.0.0.0  Mask:255.255.255.0\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\nlo        Link encap:Local Loopback\n          inet addr:127.0.0.1  Mask:255.0.0.0\n`,
  );
  return 0;
};

/** There is no ICMP in the model: a name is resolved, and nothing more is claimed. */
const ping: Program = async (process) => {
  const { operands } = parseArguments(process.argv, { known: 'q46', valued: 'cwWi' });
  const host = operands[0] ?? '';
  const { addresses } = await process.world.network.lookup(host, process.killed);
  await complain(
    process,
    addresses.length === 0 && !isIP(host)
      ? `bad address '${host}'`
      : `${host} (${addresses[0] ?? host}): ICMP is not modelled in simulated pods; try nc -zv HOST PORT`,
  );
  return 1;
};

export const NETWORK: readonly (readonly [string, Program])[] = [
  ['ifconfig', ifconfig],
  ['ip', ip],
  ['nc', nc],
  ['nslookup', nslookup],
  ['ping', ping],
  ['telnet', nc],
];
export const DNS_TOOLS: readonly (readonly [string, Program])[] = [
  ['dig', dig],
  ['getent', getent],
  ['host', nslookup],
];
