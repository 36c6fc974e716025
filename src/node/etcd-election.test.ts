import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { silentLogger } from '../lib/log.ts';
import { openEtcdStorage } from '../storage/etcd/store.ts';
import { cleaner, etcdBinary, kill, NO_ETCD, PEER_SOCKET, spawnEtcd } from '../storage/etcd/test-etcd.ts';
import { electAtOnce } from './etcd-election.ts';

const binary = etcdBinary() ?? '';
const clock = systemClock();
const log = silentLogger;
/** Left alone, etcd waits for at least one heartbeat before it stands for election: longer than this test may take. */
const SLOW = { 'heartbeat-interval': '9000', 'election-timeout': '45000' };

test(
  'etcd is made the leader without waiting for its election timeout, when it is new and when it was killed',
  { skip: binary ? false : NO_ETCD, timeout: 8_000 },
  async (t) => {
    const cleanup = cleaner();
    t.after(cleanup.run);
    const directory = await cleanup.directory();
    const sockets = { clientSocket: join(directory, 'client.sock'), peerSocket: join(directory, PEER_SOCKET) };
    for (const key of ['/new', '/again']) {
      const etcd = cleanup.killing(spawnEtcd(binary, directory, SLOW));
      const storage = cleanup.closing(
        await openEtcdStorage({ endpoints: [`unix://${sockets.clientSocket}`], exclusive: true, compaction: false, clock, log }),
      );
      const [{ revision }] = await Promise.all([storage.create(key, Buffer.from('x')), electAtOnce({ ...sockets, clock, log }, t.signal)]);
      assert.equal((await storage.get(key))?.modRevision, revision);
      await storage.close();
      await kill(etcd);
    }
  },
);

test('where no etcd comes up the wait ends with the signal', async () => {
  const stopping = new AbortController();
  const waiting = electAtOnce(
    { clientSocket: '/nonexistent/client.sock', peerSocket: '/nonexistent/peer.sock', clock, log },
    stopping.signal,
  );
  stopping.abort();
  await waiting;
});
