/** The node image on the engine: a base of Debian packages and Node.js, built once, and above it a layer with our bundle that changes with each version. */
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { NODE_FLAGS } from '../../../lib/node-config.ts';
import type { ClusterContext } from '../../context.ts';
import { aptSource } from '../../image/apt.ts';
import type { PackageSource } from '../../image/apt.ts';
import { BUNDLE_DIR, COMPILE_CACHE_DIR, bundleHash, readBundle } from '../../image/bundle.ts';
import { nodeBinary } from '../../image/node-binary.ts';
import { NODE_PACKAGES } from '../../image/packages.ts';
import type { DebianArch } from '../../image/packages.ts';
import { BASE_REPOSITORY, NODE_REPOSITORY, baseTag, nodeTag, provenance } from '../../image/recipe.ts';
import { rootfsTar } from '../../image/rootfs.ts';
import { file } from '../../image/tar-writer.ts';
import { withLock } from '../../lock.ts';
import { engineCall, engineFailure, isMissing, statusOf } from './engine.ts';
import { containerSource } from './package-container.ts';

const PACKAGES_LABEL = 'rockpool.dev/packages';
const WARM_UP_MS = 20_000;
const BUILD_WAIT_MS = 600_000;
const OLD_MS = 86_400_000;

/** The tag of the node image for this installation; builds what the engine does not have. */
export async function ensureNodeImage(docker: Dockerode, arch: DebianArch, context: ClusterContext): Promise<string> {
  const tag = nodeTag(arch, await bundleHash(context.packageRoot, arch, join(context.home, 'cache')));
  if (await hasImage(docker, tag)) return tag;
  // Two first starts at once: the second waits for the image of the first.
  const lock = { clock: context.clock, purpose: 'start', waitMs: BUILD_WAIT_MS, signal: context.signal };
  await withLock(join(context.home, 'cache', 'image.lock'), lock, async () => {
    if (await hasImage(docker, tag)) return;
    const base = baseTag(arch);
    if (!(await hasImage(docker, base))) await buildBase(docker, arch, base, context);
    await addBundle(docker, { base, tag, bundle: await readBundle(context.packageRoot, arch) }, context);
    await removeOldImages(docker, tag, context.clock.now());
  });
  return tag;
}

/** All our images, as far as no container needs them. */
export async function removeImages(docker: Dockerode): Promise<void> {
  for (const repository of [NODE_REPOSITORY, BASE_REPOSITORY]) {
    const images = await engineCall('cannot list images', () => docker.listImages({ filters: { reference: [repository] } }));
    for (const tag of images.flatMap(({ RepoTags }) => RepoTags ?? [])) await removeImage(docker, tag);
  }
}

/** Node images of former versions of Rockpool; a young one may be another installation's, just about to be used. */
async function removeOldImages(docker: Dockerode, keep: string, now: number): Promise<void> {
  const images = await engineCall('cannot list images', () => docker.listImages({ filters: { reference: [NODE_REPOSITORY] } }));
  const old = images.filter(({ Created }) => now - Created * 1000 > OLD_MS).flatMap(({ RepoTags }) => RepoTags ?? []);
  for (const tag of old) if (tag !== keep) await removeImage(docker, tag);
}

async function removeImage(docker: Dockerode, tag: string): Promise<void> {
  try {
    await docker.getImage(tag).remove();
  } catch (error) {
    // 409: a container, if only a stopped one, is made of it.
    if (!isMissing(error) && statusOf(error) !== 409) throw engineFailure(error, `cannot remove image ${tag}`);
  }
}

async function hasImage(docker: Dockerode, tag: string): Promise<boolean> {
  try {
    await docker.getImage(tag).inspect();
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw engineFailure(error, `cannot look for image ${tag}`);
  }
}

async function buildBase(docker: Dockerode, arch: DebianArch, tag: string, context: ClusterContext): Promise<void> {
  const { home, env, progress, signal, packageRoot } = context;
  const cacheDir = packageCache(home);
  const source = await packageSource(docker, context);
  progress.step('image', `Building the node image from ${source.description}, once`);
  progress.detail(`fetching ${NODE_PACKAGES.length} packages`);
  const [packages, program] = await Promise.all([
    source.fetch(NODE_PACKAGES, arch, signal),
    nodeBinary(arch, { packageRoot, cacheDir, env, signal }),
  ]);
  const tar = rootfsTar({
    packages,
    extra: [file('usr/bin/node', program, 0o755)],
    onPackage: (done, total) => progress.detail(`unpacked ${done} of ${total} packages`),
    signal,
  });
  await engineCall('the engine did not take the node image', async () => {
    const [repo, version] = tag.split(':');
    const answer = await docker.importImage(Readable.from(tar), {
      repo,
      tag: version,
      changes: [`LABEL ${PACKAGES_LABEL}=${JSON.stringify(provenance(packages))}`],
    });
    await followed(docker, answer);
  });
}

/** The machine's apt where it can serve, else a Debian container. */
export async function packageSource(docker: Dockerode, { home, clock, env }: ClusterContext): Promise<PackageSource> {
  const cacheDir = packageCache(home);
  const source = (await aptSource({ cacheDir, clock, env })) ?? containerSource(docker, cacheDir);
  // The folder of lists and packages is one for all profiles.
  const lock = { clock, purpose: 'package download', waitMs: BUILD_WAIT_MS };
  return {
    description: source.description,
    fetch: (names, arch, signal) => withLock(join(cacheDir, 'lock'), { ...lock, signal }, () => source.fetch(names, arch, signal)),
  };
}

function packageCache(home: string): string {
  return join(home, 'cache', 'packages');
}

/** The engine answers 200 first and tells of failures in the stream that follows. */
async function followed(docker: Dockerode, stream: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

interface Layer {
  base: string;
  tag: string;
  bundle: Buffer;
}

/** A container of the base gets the bundle, loads it once so that V8's compile cache is part of the image, and is committed. */
async function addBundle(docker: Dockerode, { base, tag, bundle }: Layer, { progress, signal, clock }: ClusterContext): Promise<void> {
  progress.detail('adding this version of Rockpool');
  const program = `/${BUNDLE_DIR}/node.mjs`;
  const container = await engineCall('cannot prepare the node image', () =>
    docker.createContainer({
      Image: base,
      Entrypoint: ['/usr/bin/node', ...NODE_FLAGS, program],
      Cmd: ['--warm-up'],
      Env: [`ROCKPOOL_COMPILE_CACHE=/${COMPILE_CACHE_DIR}`, 'PATH=/usr/sbin:/usr/bin', 'NODE_ENV=production'],
      HostConfig: { NetworkMode: 'none' },
    }),
  );
  try {
    await engineCall('cannot write the bundle into the node image', () => container.putArchive(bundle, { path: '/' }));
    await warmUp(container, clock, signal);
    const [repo, version] = tag.split(':');
    await engineCall('cannot keep the node image', () => container.commit({ repo, tag: version, changes: 'CMD []' }));
  } finally {
    await container.remove({ force: true, v: true });
  }
}

/** Only saves time later: what the process says or how it ends is of no matter. */
async function warmUp(container: Dockerode.Container, clock: ClusterContext['clock'], signal: AbortSignal): Promise<void> {
  await engineCall('cannot run the node image', () => container.start());
  const late = new AbortController();
  const end = container.wait();
  await Promise.race([end, clock.sleep(WARM_UP_MS, AbortSignal.any([signal, late.signal])).then(() => container.kill())]);
  late.abort();
}
