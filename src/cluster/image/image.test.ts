import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { parseUris } from './apt.ts';
import { imageArchive } from './archive.ts';
import { bundleHash, readBundle } from './bundle.ts';
import { readDeb, readTar } from './deb.ts';
import type { TarEntry } from './deb.ts';
import { readRecipe } from './debian-image.ts';
import { pauseArchive, pauseProgram } from './pause.ts';
import { isDropped, rootfsTar } from './rootfs.ts';
import { directory, file, symlink, tarOf } from './tar-writer.ts';

const dir = await mkdtemp(join(tmpdir(), 'rockpool-image-'));
after(() => rm(dir, { recursive: true }));

/** A package as dpkg-deb lays it out. */
function deb(suffix: string, data: Buffer): Buffer {
  const member = (name: string, body: Buffer): Buffer => {
    const head = `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
    return Buffer.concat([Buffer.from(head), body, Buffer.alloc(body.length % 2, '\n')]);
  };
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    member('debian-binary', Buffer.from('2.0\n')),
    member('control.tar.gz', Buffer.from('odd')),
    member(`data.tar${suffix}`, data),
  ]);
}

const content = [directory('./usr'), directory('./usr/bin'), file('./usr/bin/tool', 'hello\n', 0o755), symlink('./usr/bin/alias', 'tool')];
/** usr/bin/tool with `hello` and usr/bin/alias, compressed by xz. */
const XZ = `/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4Cf/AJddABcLyyeJ8uv7sv6J4fnJCB0cKx5/hlD7z8AiblPuVvXoYIucEPTnK6pVQDhE
bCDLQEcTOnbJIF1+9sSrrAJdu5Ed8Pog3CUwOKbL8zHIePr/SS6SENJthxa/Fk8sWMZX7NYBHJzKxeqJ8ymEDnZqOOfOkAU65Ogj
xPajDKZ3uVWjz7rXqWsLoKA4HCZQDZ0pfz2wovF5JQAAALqtnhgAAa8BgFAAAN3Gmpc+MA2LAgAAAAABWVo=`;

for (const [suffix, data] of [
  ['', tarOf(content)],
  ['.gz', gzipSync(tarOf(content))],
  ['.zst', zstdCompressSync(tarOf(content))],
  ['.xz', Buffer.from(XZ, 'base64')],
] as const) {
  test(`a package with data.tar${suffix} is read`, async () => {
    const entries = await readDeb(deb(suffix, data), 'tool', () => false);
    const tool = entries.find((entry) => entry.path === 'usr/bin/tool');
    assert.equal(tool?.body.toString(), 'hello\n');
    assert.equal(entries.find((entry) => entry.path === 'usr/bin/alias')?.target, 'tool');
    assert.deepEqual(
      (await readDeb(deb(suffix, data), 'tool', (path) => path.endsWith('alias'))).filter(({ type }) => type === 'SymbolicLink'),
      [],
    );
  });
}

for (const { name, bytes, says } of [
  { name: 'no archive at all', bytes: Buffer.from('PK\x03\x04'), says: /is not a Debian package/ },
  { name: 'no data', bytes: deb('.xz', Buffer.alloc(0)).subarray(0, 70), says: /has no data\.tar/ },
  { name: 'an unknown compression', bytes: deb('.lz', Buffer.alloc(4)), says: /compressed in a way/ },
]) {
  test(`a package that is none: ${name}`, () =>
    assert.rejects(
      readDeb(bytes, 'x', () => false),
      { code: 'IMAGE_BUILD', message: says },
    ));
}

async function unpacked(packages: { name: string; entries: TarEntry[] }[], extra: TarEntry[] = []): Promise<TarEntry[]> {
  const made = await Promise.all(
    packages.map(async ({ name, entries }, i) => {
      const path = join(dir, `${i}-${name}.deb`);
      await writeFile(path, deb('', tarOf(entries)));
      return { name, path };
    }),
  );
  return readTar(Readable.from(rootfsTar({ packages: made, extra, signal: new AbortController().signal })));
}

test('what maintainer scripts would have done is in the tree', async () => {
  const tree = await unpacked([
    { name: 'base-files', entries: [directory('usr'), symlink('lib', 'usr/lib')] },
    {
      name: 'base-passwd',
      entries: [file('usr/share/base-passwd/passwd.master', 'root:*:0\n'), file('usr/share/base-passwd/group.master', 'root:*:0\n')],
    },
    { name: 'iptables', entries: [file('usr/sbin/xtables-nft-multi', 'x', 0o755)] },
    {
      name: 'ca-certificates',
      entries: [file('usr/share/ca-certificates/mozilla/A.crt', 'A'), file('usr/share/ca-certificates/mozilla/B.crt', 'B')],
    },
    { name: 'busybox-static', entries: [file('usr/bin/busybox', 'b', 0o755), file('usr/bin/tar', 'real tar', 0o755)] },
    { name: 'old', entries: [directory('lib'), file('lib/old.so', 'so'), file('usr/share/doc/old/copyright', 'dropped')] },
  ]);
  const at = (path: string): TarEntry | undefined => tree.findLast((entry) => entry.path === path);
  assert.equal(at('etc/passwd')?.body.toString(), 'root:*:0\n');
  assert.equal(at('etc/group')?.body.toString(), 'root:*:0\n');
  assert.equal(at('usr/sbin/iptables-restore')?.target, 'xtables-nft-multi');
  assert.equal(at('etc/ssl/certs/ca-certificates.crt')?.body.toString(), 'A\nB\n');
  assert.equal(at('usr/bin/sh')?.target, 'busybox');
  assert.equal(at('usr/bin/tar')?.body.toString(), 'real tar', "a package's own program stays");
  assert.equal(at('lib')?.type, 'SymbolicLink', 'a package cannot replace the link by a folder');
  assert.equal(at('usr/lib/old.so')?.body.toString(), 'so');
  assert.equal(at('usr/share/doc/old/copyright'), undefined);
});

test("extra files win over a package's", async () => {
  const tree = await unpacked([{ name: 'x', entries: [file('etc/conf', 'theirs')] }], [file('etc/conf', 'ours')]);
  assert.deepEqual(
    tree.map(({ body }) => body.toString()),
    ['ours'],
  );
});

for (const [path, dropped] of [
  ['usr/share/man/man1/x.gz', true],
  ['usr/share/misc/x', false],
  ['usr/lib/cni/bridge', false],
  ['usr/lib/cni/bandwidth', true],
  ['usr/bin/containerd', false],
  ['usr/bin/containerd-stress', true],
  ['usr/lib/x86_64-linux-gnu/libcrun.a', true],
] as const) {
  test(`${path} ${dropped ? 'stays out' : 'comes along'}`, () => assert.equal(isDropped(path), dropped));
}

test('long paths survive the tar', async () => {
  const path = `usr/${'long-folder/'.repeat(20)}${'x'.repeat(120)}`;
  const [entry] = await readTar(Readable.from([tarOf([file(path, 'body')])]));
  assert.equal(entry?.path, path);
  assert.equal(entry?.body.toString(), 'body');
});

test('what apt says of packages', () => {
  const sha = 'a'.repeat(64);
  assert.deepEqual(
    parseUris(`Reading...\n'http://deb/x/busybox-static_1%3a1.37.0-6_amd64.deb' busybox-static_1%3a1.37.0-6_amd64.deb 12 SHA256:${sha}\n`),
    [{ name: 'busybox-static', version: '1:1.37.0-6', file: 'busybox-static_1%3a1.37.0-6_amd64.deb', sha256: sha }],
  );
});

test('an image archive is what docker save writes, the same bytes each time', async () => {
  const layer = tarOf([file('hello', 'x')]);
  const make = () => imageArchive({ names: ['a:1', 'a:2'], arch: 'amd64', config: { cmd: ['/hello'], exposedPorts: ['80/tcp'] } }, layer);
  assert.deepEqual(make(), make());
  const entries = await readTar(Readable.from([make()]));
  const json = (path: string) => JSON.parse(entries.find((entry) => entry.path === path)!.body.toString()) as Record<string, never>;
  const [manifest] = json('manifest.json') as unknown as [{ Config: string; RepoTags: string[]; Layers: string[] }];
  assert.deepEqual(manifest.RepoTags, ['a:1', 'a:2']);
  const stored = entries.find((entry) => entry.path === manifest.Layers[0])!;
  const config = json(manifest.Config) as unknown as { rootfs: { diff_ids: string[] }; config: object };
  assert.equal(`sha256:${createHash('sha256').update(stored.body).digest('hex')}`, config.rootfs.diff_ids[0]);
  assert.deepEqual(config.config, {
    Cmd: ['/hello'],
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
    WorkingDir: '/',
    ExposedPorts: { '80/tcp': {} },
  });
});

for (const [arch, machine] of [
  ['amd64', 62],
  ['arm64', 183],
] as const) {
  test(`the pause program for ${arch} is a small static ELF`, () => {
    const elf = pauseProgram(arch);
    assert.equal(elf.subarray(0, 4).toString('latin1'), '\x7fELF');
    assert.equal(elf.readUInt16LE(18), machine);
    assert.ok(elf.readBigUInt64LE(24) >= 0x40_0078n, 'it begins behind its headers');
    assert.ok(pauseArchive(arch).length < 10_240);
  });
}

test("the bundle's hash follows its content and is not read twice", async () => {
  const root = join(dir, 'package');
  await mkdir(join(root, 'dist', 'chunks'), { recursive: true });
  await assert.rejects(bundleHash(root, 'amd64', dir), { code: 'IMAGE_BUILD' });
  await writeFile(join(root, 'dist', 'node.mjs'), 'node');
  await writeFile(join(root, 'dist', 'cli.mjs'), 'laptop');
  const first = await bundleHash(root, 'amd64', dir);
  assert.equal(await bundleHash(root, 'amd64', dir), first);
  await writeFile(join(root, 'dist', 'cli.mjs'), 'laptop, changed');
  assert.equal(await bundleHash(root, 'amd64', dir), first, "the laptop's part is not in it");
  await writeFile(join(root, 'dist', 'node.mjs'), 'node, changed');
  assert.notEqual(await bundleHash(root, 'amd64', dir), first);
  const paths = (await readTar(Readable.from([await readBundle(root, 'amd64')]))).map(({ path }) => path);
  assert.ok(
    paths.includes('opt/rockpool/node.mjs') && paths.includes('opt/rockpool/images/pause.tar') && !paths.includes('opt/rockpool/cli.mjs'),
  );
});

test('recipes of this installation are well formed', async () => {
  for (const name of ['nginx', 'busybox']) {
    const recipe = await readRecipe(join(import.meta.dirname, '..', '..', '..', 'images', name, 'image.yaml'));
    assert.ok(recipe.names.includes(`docker.io/library/${name}:latest`));
  }
  await assert.rejects(readRecipe(join(dir, 'none.yaml')), { code: 'IMAGE_BUILD' });
});
