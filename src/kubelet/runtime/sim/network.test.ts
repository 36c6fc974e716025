import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:net';
import { after, describe, it } from 'node:test';
import { createAddresses } from './addresses.ts';
import { createSimNetwork } from './network.ts';
import { candidates } from './pod-network.ts';

describe('simulated network', () => {
  const servers: Server[] = [];
  const server = (): Server => {
    const made = createServer();
    servers.push(made);
    return made;
  };
  after(() => servers.forEach((each) => each.close()));

  it('an address that nobody asked for is itself', () => {
    assert.deepEqual(createSimNetwork().resolve('127.244.0.9', 80), { host: '127.244.0.9', port: 80 });
  });

  it('an address that this machine does not have is served elsewhere, and resolve tells where', async () => {
    const network = createSimNetwork();
    // TEST-NET-1 (RFC 5737): nobody has it.
    const { address, release } = await network.listen(server(), { host: '192.0.2.1', port: 80 });
    assert.equal(address.host, '127.0.0.1');
    assert.notEqual(address.port, 80);
    assert.deepEqual(network.resolve('192.0.2.1', 80), address);
    assert.deepEqual(network.resolve('192.0.2.1', 80, 'UDP'), { host: '192.0.2.1', port: 80 });
    release();
    assert.deepEqual(network.resolve('192.0.2.1', 80), { host: '192.0.2.1', port: 80 });
  });

  it('two of ours cannot have one address, whoever is first', async () => {
    const network = createSimNetwork();
    const results = await Promise.allSettled([1, 2].map(() => network.listen(server(), { host: '192.0.2.1', port: 80 })));
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
    await assert.rejects(network.listen(server(), { host: '192.0.2.1', port: 80 }), { code: 'EADDRINUSE' });
  });

  it('exact is there or an error', async () => {
    await assert.rejects(createSimNetwork().listen(server(), { host: '192.0.2.1', port: 8080, exact: true }), { code: 'EADDRNOTAVAIL' });
  });
});

describe('addresses', () => {
  it('are given once each and again only in their turn', () => {
    const addresses = createAddresses('127.244.1.0/29');
    const taken = [addresses.take(), addresses.take()];
    assert.deepEqual(taken, ['127.244.1.2', '127.244.1.3']);
    addresses.give('127.244.1.2');
    assert.deepEqual(
      [addresses.take(), addresses.take(), addresses.take(), addresses.take()],
      ['127.244.1.4', '127.244.1.5', '127.244.1.6', '127.244.1.2'],
    );
    assert.throws(() => addresses.take(), /no IP addresses available in range set: 127\.244\.1\.0\/29/);
  });
});

describe('names to ask for', () => {
  const dns = { servers: [], searches: ['default.svc.cluster.local', 'svc.cluster.local'], ndots: 5 };
  const cases: readonly (readonly [string, string[]])[] = [
    ['web', ['web.default.svc.cluster.local', 'web.svc.cluster.local', 'web']],
    ['web.other', ['web.other.default.svc.cluster.local', 'web.other.svc.cluster.local', 'web.other']],
    ['a.b.c.d.e.f', ['a.b.c.d.e.f', 'a.b.c.d.e.f.default.svc.cluster.local', 'a.b.c.d.e.f.svc.cluster.local']],
    ['example.org.', ['example.org']],
  ];
  for (const [name, expected] of cases) it(name, () => assert.deepEqual(candidates(name, dns), expected));
});
