import assert from 'node:assert/strict';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { ManualClock } from '../../lib/clock.ts';
import { ensurePki } from './pki.ts';
import type { Pki } from './pki.ts';
import { plannedLeaves } from './plan.ts';
import type { PkiSubjects } from './plan.ts';

const DAY_MS = 86_400_000;
const subjects: PkiSubjects = {
  nodeName: 'rockpool',
  nodeAddresses: ['192.168.49.2'],
  extraNames: ['api.example'],
  serviceCidr: '10.96.0.0/12',
  clusterDomain: 'cluster.local',
};
const now = Date.UTC(2026, 5, 1);
const folders: string[] = [];

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'rockpool-pki-'));
  folders.push(dir);
  return dir;
}
after(() => Promise.all(folders.map((dir) => rm(dir, { recursive: true }))));

test('a new cluster gets every file that a node is promised, keys readable by their owner alone', async () => {
  const dir = await folder();
  const { files, renewed } = await ensurePki(dir, subjects, new ManualClock(now));
  const leaves = plannedLeaves(subjects).map(({ file }) => file);
  assert.deepEqual(renewed, leaves.toSorted());
  for (const name of ['ca', 'front-proxy-ca', ...leaves]) {
    assert.equal(await readFile(join(dir, `${name}.crt`), 'utf8'), files.get(`${name}.crt`));
    assert.equal((await stat(join(dir, `${name}.key`))).mode & 0o777, 0o600, name);
  }
  assert.ok(files.get('sa.pub')!.startsWith('-----BEGIN PUBLIC KEY-----'));
  assert.equal((await stat(join(dir, 'encryption-config.yaml'))).mode & 0o777, 0o600);
  const [, secret] = /^ +secret: (.+)$/m.exec(files.get('encryption-config.yaml')!)!;
  assert.equal(Buffer.from(secret!, 'base64').length, 32);
});

test('leaves carry who they are for and are signed by the right authority', async () => {
  const { files } = await ensurePki(await folder(), subjects, new ManualClock(now));
  const ca = new X509Certificate(files.get('ca.crt')!);
  const frontProxy = new X509Certificate(files.get('front-proxy-ca.crt')!);
  for (const leaf of plannedLeaves(subjects)) {
    const certificate = new X509Certificate(files.get(`${leaf.file}.crt`)!);
    const issuer = leaf.authority === 'ca' ? ca : frontProxy;
    assert.ok(certificate.verify(issuer.publicKey), `${leaf.file} is signed by ${leaf.authority}`);
    assert.ok(certificate.checkIssued(issuer), `${leaf.file} names its issuer`);
    assert.ok(certificate.checkPrivateKey(createPrivateKey(files.get(`${leaf.file}.key`)!)), `${leaf.file} fits its key`);
    assert.ok(certificate.subject.split('\n').includes(`CN=${leaf.commonName}`), certificate.subject);
    assert.equal(certificate.ca, false);
  }
  assert.ok(ca.ca && ca.verify(ca.publicKey));
  assert.match(new X509Certificate(files.get('components/admin.crt')!).subject, /O=system:masters/);
});

const handshakes = [
  { name: 'by loopback address', host: '127.0.0.1', accepted: true },
  { name: 'by the service address', host: '10.96.0.1', accepted: true },
  { name: 'by the node address', host: '192.168.49.2', accepted: true },
  { name: 'by the service name', host: 'kubernetes.default.svc.cluster.local', accepted: true },
  { name: 'by a name that was asked for', host: 'api.example', accepted: true },
  { name: 'by a name that was not', host: 'other.example', accepted: false },
];

test('TLS accepts the API server by each of its names, and clients by their certificate', async (t) => {
  const { files } = await ensurePki(await folder(), subjects, new ManualClock(Date.now()));
  const server = createServer(
    {
      cert: files.get('apiserver.crt')!,
      key: files.get('apiserver.key')!,
      ca: files.get('ca.crt')!,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (socket: TLSSocket) => socket.end(socket.getPeerCertificate().subject.CN as string),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  for (const { name, host, accepted } of handshakes) {
    await t.test(name, async () => {
      const answer = await peerName(port, host, files);
      assert.equal(answer, accepted ? 'kubernetes-admin' : 'ERR_TLS_CERT_ALTNAME_INVALID');
    });
  }
  await new Promise((resolve) => server.close(resolve));
});

function peerName(port: number, host: string, files: Pki['files']): Promise<string> {
  return new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      ca: files.get('ca.crt')!,
      cert: files.get('components/admin.crt')!,
      key: files.get('components/admin.key')!,
    };
    const name = /^[\d.]+$/.test(host) ? {} : { servername: host };
    const socket = connect({
      ...options,
      ...name,
      checkServerIdentity: (_, peer) => {
        const certificate = new X509Certificate(peer.raw);
        const matches = /^[\d.]+$/.test(host) ? certificate.checkIP(host) : certificate.checkHost(host);
        return matches ? undefined : Object.assign(new Error('name'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
      },
    });
    socket.once('data', (data: Buffer) => resolve(data.toString()));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

interface Renewal {
  name: string;
  clockMs: number;
  change?: Partial<PkiSubjects>;
  spoil?: (dir: string) => Promise<void>;
  renewed: readonly string[] | 'all';
}

const renewals: Renewal[] = [
  { name: 'the next day nothing changes', clockMs: now + DAY_MS, renewed: [] },
  { name: 'with 31 days left nothing changes', clockMs: now + 334 * DAY_MS, renewed: [] },
  { name: 'with under 30 days left every leaf is made anew', clockMs: now + 336 * DAY_MS, renewed: 'all' },
  { name: 'after the clock was set back before their beginning', clockMs: now - DAY_MS, renewed: 'all' },
  {
    name: 'when the node has another address',
    clockMs: now + DAY_MS,
    change: { nodeAddresses: ['192.168.58.2'] },
    renewed: ['apiserver', 'kubelet-server'],
  },
  { name: 'when the service range moved', clockMs: now + DAY_MS, change: { serviceCidr: '10.112.0.0/16' }, renewed: ['apiserver'] },
  {
    name: 'when a key is damaged',
    clockMs: now + DAY_MS,
    spoil: (dir) => writeFile(join(dir, 'kubelet-client.key'), 'half a k'),
    renewed: ['kubelet-client'],
  },
  {
    name: 'when a certificate is missing',
    clockMs: now + DAY_MS,
    spoil: (dir) => rm(join(dir, 'components/admin.crt')),
    renewed: ['components/admin'],
  },
  {
    name: 'when the authority was lost',
    clockMs: now + DAY_MS,
    spoil: (dir) => rm(join(dir, 'ca.key')),
    renewed: plannedLeaves(subjects)
      .filter(({ authority }) => authority === 'ca')
      .map(({ file }) => file),
  },
];

for (const { name, clockMs, change, spoil, renewed } of renewals) {
  test(`renewal: ${name}`, async () => {
    const dir = await folder();
    const first = await ensurePki(dir, subjects, new ManualClock(now));
    await spoil?.(dir);
    const second = await ensurePki(dir, { ...subjects, ...change }, new ManualClock(clockMs));
    assert.deepEqual(second.renewed, (renewed === 'all' ? plannedLeaves(subjects).map(({ file }) => file) : [...renewed]).toSorted());
    assert.equal(second.files.get('sa.key'), first.files.get('sa.key'), 'tokens stay valid');
    assert.equal(second.files.get('encryption-config.yaml'), first.files.get('encryption-config.yaml'), 'secrets stay readable');
  });
}
