/**
 * What the client of these benches reaches on this machine, now, with a server that does nothing: Node's own HTTPS server in a process of its own,
 * whose answers are as large as the API's. Where an API figure is near to this, it is the client that is measured.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePki } from '../../src/cluster/pki/pki.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { apiCaller, blast } from './http.ts';
import { type Figure, median } from './measure.ts';

interface Keys {
  cert: string;
  key: string;
}

export interface BareScale {
  gets: number;
  lists: number;
}

/** `objectBytes` and `listBytes`: the sizes of the answers. */
export async function benchBareServer(
  runs: number,
  { gets, lists }: BareScale,
  { objectBytes, listBytes }: Record<'objectBytes' | 'listBytes', number>,
): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rockpool-bench-'));
  const subjects = { nodeName: 'bare', nodeAddresses: [], extraNames: [], serviceCidr: '10.96.0.0/12', clusterDomain: 'cluster.local' };
  const { files } = await ensurePki(folder, subjects, systemClock({ unref: true }));
  const file = (name: string): Buffer => Buffer.from(files.get(name)!);
  const child = fork(import.meta.filename, ['serve']);
  try {
    child.send({ cert: files.get('apiserver.crt')!, key: files.get('apiserver.key')! } satisfies Keys);
    const [port] = (await once(child, 'message')) as [number];
    const caller = apiCaller(
      { server: `https://127.0.0.1:${port}`, ca: file('ca.crt'), cert: file('components/admin.crt'), key: file('components/admin.key') },
      16,
    );
    const measure = async (name: string, count: number, inFlight: number, bytes: number): Promise<Figure> => {
      const measured = [];
      for (let run = 0; run < runs; run++)
        measured.push(
          await blast(count, { inFlight, statuses: [200], pids: [child.pid!], make: () => caller.call('GET', `/?bytes=${bytes}`) }),
        );
      const cpu = median(measured.map(({ cpuMs }) => cpuMs));
      const client = median(measured.map(({ clientMs }) => clientMs));
      return {
        name: `bare Node.js server: ${name}`,
        values: measured.map(({ perSecond }) => perSecond),
        unit: '/s',
        note: `the most that this client can see; CPU ${cpu.toFixed(2)} ms per operation, the client's ${client.toFixed(2)}`,
      };
    };
    const figures = [await measure('get', gets, 16, objectBytes), await measure('list', lists, 4, listBytes)];
    caller.close();
    return figures;
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function serve(): Promise<void> {
  const [keys] = (await once(process, 'message')) as [Keys];
  const bodies = new Map<string, Buffer>();
  const server = createServer(keys, (request, response) => {
    const bytes = request.url!.split('=')[1]!;
    let body = bodies.get(bytes);
    if (!body) bodies.set(bytes, (body = Buffer.alloc(Number(bytes), 'x')));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
}

if (process.argv[1] === import.meta.filename && process.argv[2] === 'serve') await serve();
