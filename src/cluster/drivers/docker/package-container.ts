/** Packages through apt in a Debian container, for laptops without apt (macOS, Windows, other Linuxes). The engine pulls the image. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import { Unpack } from 'tar';
import { failure } from '../../reasons.ts';
import { parseUris } from '../../image/apt.ts';
import type { PackageSource } from '../../image/apt.ts';
import { DEBIAN_RELEASE } from '../../image/packages.ts';
import type { DebianArch } from '../../image/packages.ts';
import { engineCall, isMissing } from './engine.ts';

const IMAGE = `debian:${DEBIAN_RELEASE}-slim`;

/** Packages are kept in `cacheDir`; only missing ones are fetched. Throws INTERNET_PACKAGES. */
export function containerSource(docker: Dockerode, cacheDir: string): PackageSource {
  return {
    description: `a ${IMAGE} container`,
    fetch: async (names, arch, signal) => {
      await pullIfMissing(docker);
      const dir = join(cacheDir, `apt-${arch}`, 'debs');
      await mkdir(dir, { recursive: true });
      const uris = await downloadInContainer(docker, { names, arch, dir, signal });
      const wanted = parseUris(uris);
      const have = new Set(await readdir(dir));
      const absent = names.filter((name) => !wanted.some((deb) => deb.name === name && have.has(deb.file)));
      if (absent.length > 0) throw failure('INTERNET_PACKAGES', `apt in the container did not fetch ${absent.join(', ')}`);
      return wanted
        .map(({ file, ...deb }) => ({ ...deb, path: join(dir, file) }))
        .toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
    },
  };
}

async function pullIfMissing(docker: Dockerode): Promise<void> {
  try {
    await docker.getImage(IMAGE).inspect();
  } catch (error) {
    if (!isMissing(error)) throw error;
    await engineCall(`cannot pull ${IMAGE}`, async () => {
      const stream = await docker.pull(IMAGE);
      await new Promise<void>((resolve, reject) =>
        docker.modem.followProgress(stream, (failed: Error | null) => (failed ? reject(failed) : resolve())),
      );
    });
  }
}

interface Download {
  names: readonly string[];
  arch: DebianArch;
  dir: string;
  signal: AbortSignal;
}

/** Runs apt-get there, takes the files out as one tar, and returns what `--print-uris` said of them. */
async function downloadInContainer(docker: Dockerode, { names, arch, dir, signal }: Download): Promise<string> {
  const list = names.map((name) => `${name}:${arch}`).join(' ');
  const script = [
    'set -e',
    `dpkg --add-architecture ${arch}`,
    'apt-get -q update >&2',
    'mkdir /debs && cd /debs',
    `apt-get -q download --print-uris ${list} > uris`,
    `apt-get -q -o APT::Sandbox::User=root download ${list} >&2`,
  ].join('\n');
  const container = await engineCall(`cannot make a ${IMAGE} container`, () =>
    docker.createContainer({ Image: IMAGE, Cmd: ['sh', '-c', script], Tty: true }),
  );
  const onAbort = (): void => void container.kill().catch(() => container.remove({ force: true }));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await engineCall(`cannot run ${IMAGE}`, () => container.start());
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    signal.throwIfAborted();
    if (StatusCode !== 0) {
      const said = (await container.logs({ stdout: true, stderr: true, tail: 5 })).toString();
      throw failure('INTERNET_PACKAGES', `apt-get in a ${IMAGE} container failed: ${said.trim().split('\n').at(-1) ?? ''}`);
    }
    const archive = join(dir, '..', 'debs.tar');
    await pipeline(await container.getArchive({ path: '/debs' }), createWriteStream(`${archive}.part`));
    await rename(`${archive}.part`, archive);
    await pipeline(createReadStream(archive), new PassThrough(), new Unpack({ cwd: join(dir, '..'), strict: true }));
    return await readUris(dir);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await container.remove({ force: true, v: true });
  }
}

async function readUris(dir: string): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(join(dir, 'uris'), 'utf8');
}
