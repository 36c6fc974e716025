import { createReadStream } from 'node:fs';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { errorMessage } from '../../lib/errors.ts';
import { failure } from '../reasons.ts';
import { readTar } from './deb.ts';
import { NODE_BINARIES } from './packages.ts';
import type { DebianArch } from './packages.ts';

export interface NodeBinaryOptions {
  /** Rockpool's own package: its node_modules may hold the binary. */
  packageRoot: string;
  cacheDir: string;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}

/** The Node.js program for the node: from node_modules when it is there in the wanted version, else from the registry that npm is configured for. */
export async function nodeBinary(arch: DebianArch, options: NodeBinaryOptions): Promise<Buffer> {
  const { name, version } = NODE_BINARIES[arch];
  const installed = join(options.packageRoot, 'node_modules', name);
  if (await hasVersion(installed, version)) return readFile(join(installed, 'bin', 'node'));
  const archive = join(options.cacheDir, `${name}-${version}.tgz`);
  if (!(await exists(archive))) await pack(`${name}@${version}`, archive, options);
  const entries = await readTar(createReadStream(archive).pipe(createGunzip()), (path) => path !== 'package/bin/node');
  const program = entries.find((entry) => entry.type === 'File');
  if (!program) throw failure('IMAGE_BUILD', `${archive} holds no package/bin/node`);
  return program.body;
}

/** `npm pack` checks the archive's integrity as the registry signed for it. */
async function pack(spec: string, archive: string, { cacheDir, env, signal }: NodeBinaryOptions): Promise<void> {
  await mkdir(cacheDir, { recursive: true });
  try {
    const { execa } = await import('execa');
    const { stdout } = await execa('npm', ['pack', '--json', '--pack-destination', cacheDir, spec], {
      cancelSignal: signal,
      timeout: 600_000,
      env: { ...env },
      extendEnv: false,
    });
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
    await rename(join(cacheDir, filename), archive);
  } catch (error) {
    signal.throwIfAborted();
    throw failure('INTERNET_NPM', `npm could not fetch ${spec}: ${errorMessage(error).split('\n')[0]}`, { cause: error });
  }
}

async function hasVersion(dir: string, version: string): Promise<boolean> {
  const manifest = join(dir, 'package.json');
  if (!(await exists(manifest))) return false;
  return (JSON.parse(await readFile(manifest, 'utf8')) as { version: string }).version === version;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
