import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { engineAddress } from './engine-address.ts';
import { connect, engineFailure } from './engine.ts';
import { Demultiplexer } from './multiplexed.ts';

const home = await mkdtemp(join(tmpdir(), 'rockpool-engine-'));
after(() => rm(home, { recursive: true }));

const refusals = [
  {
    name: 'dead socket',
    error: Object.assign(new Error('connect ECONNREFUSED /var/run/docker.sock'), { code: 'ECONNREFUSED' }),
    code: 'ENGINE_NOT_RUNNING',
  },
  {
    name: 'socket of root',
    error: Object.assign(new Error('connect EACCES /var/run/docker.sock'), { code: 'EACCES' }),
    code: 'ENGINE_PERMISSION',
  },
  {
    name: 'full disk',
    error: new Error('(HTTP code 500) server error - write /var/lib/docker/tmp/x: no space left on device'),
    code: 'DISK_FULL',
  },
  {
    name: 'used port',
    error: new Error(
      '(HTTP code 500) server error - driver failed programming external connectivity on endpoint rockpool: Bind for 127.0.0.1:41000 failed: port is already allocated',
    ),
    code: 'PORT_IN_USE',
  },
  {
    name: 'used port of the host',
    error: new Error('(HTTP code 500) server error - listen tcp4 127.0.0.1:41000: bind: address already in use'),
    code: 'PORT_IN_USE',
  },
  {
    name: 'no addresses',
    error: new Error('(HTTP code 403) unexpected - Pool overlaps with other one on this address space'),
    code: 'NETWORK_FULL',
  },
  { name: 'anything else', error: new Error('(HTTP code 500) server error - something odd'), code: 'ENGINE_ERROR' },
];
for (const { name, error, code } of refusals) {
  test(`what the engine refuses: ${name}`, () => {
    const told = engineFailure(error, 'cannot start the node');
    assert.equal((told as Error & { code: string }).code, code);
    assert.ok(told.message.startsWith('cannot start the node: '), told.message);
    assert.ok(!told.message.includes('HTTP code'), told.message);
    if (code === 'PORT_IN_USE') assert.match(told.message, /port 41000 is in use/);
  });
}

test('an engine that does not answer is told as such by the real client', async () => {
  const docker = await connect({ url: '', options: { socketPath: join(home, 'no.sock') } });
  const error = await docker.ping().then(
    () => undefined,
    (failed: unknown) => engineFailure(failed, 'engine'),
  );
  assert.equal((error as Error & { code: string }).code, 'ENGINE_NOT_RUNNING');
});

test('where the engine answers', async (t) => {
  await t.test('DOCKER_HOST wins', async () => {
    assert.deepEqual((await engineAddress({ DOCKER_HOST: 'unix:///x.sock' }, home))?.options, { socketPath: '/x.sock' });
    assert.deepEqual((await engineAddress({ DOCKER_HOST: 'tcp://10.0.0.1:2375' }, home))?.options, {
      host: '10.0.0.1',
      port: 2375,
      protocol: 'http',
    });
    assert.deepEqual((await engineAddress({ DOCKER_HOST: 'ssh://me@box' }, home))?.options, {
      protocol: 'ssh',
      host: 'box',
      port: 22,
      username: 'me',
    });
  });
  await t.test('TLS by the usual variables', async () => {
    for (const name of ['ca', 'cert', 'key']) await writeFile(join(home, `${name}.pem`), name);
    const options = (await engineAddress({ DOCKER_HOST: 'tcp://10.0.0.1', DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: home }, home))?.options;
    assert.deepEqual(options, { host: '10.0.0.1', port: 2376, protocol: 'https', ca: 'ca', cert: 'cert', key: 'key' });
  });
  await t.test('then the context that docker is set to', async () => {
    const meta = join(home, '.docker', 'contexts', 'meta', createHash('sha256').update('colima').digest('hex'));
    await mkdir(meta, { recursive: true });
    await writeFile(join(meta, 'meta.json'), JSON.stringify({ Endpoints: { docker: { Host: 'unix:///colima.sock' } } }));
    await writeFile(join(home, '.docker', 'config.json'), JSON.stringify({ currentContext: 'colima' }));
    assert.equal((await engineAddress({}, home))?.url, 'unix:///colima.sock');
  });
});

test('stdout and stderr are told apart however the bytes are cut', () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head[0] = stream;
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };
  const bytes = Buffer.concat([frame(1, 'out'), frame(2, 'error'), frame(1, ''), frame(1, 'more')]);
  for (let size = 1; size <= bytes.length; size++) {
    const seen = { stdout: '', stderr: '' };
    const parts = new Demultiplexer((stream, data) => (seen[stream] += data.toString()));
    for (let at = 0; at < bytes.length; at += size) parts.write(bytes.subarray(at, at + size));
    assert.deepEqual(seen, { stdout: 'outmore', stderr: 'error' }, `cut every ${size} bytes`);
  }
});
