import { createHash } from 'node:crypto';
import type { DebianPackage } from './apt.ts';
import { DEBIAN_RELEASE, DROPPED, NODE_BINARIES, NODE_PACKAGES } from './packages.ts';
import type { DebianArch } from './packages.ts';

/** Raised when the code that lays out the image changes what comes out of it. */
const RULES = 1;

export const BASE_REPOSITORY = 'rockpool/base';
export const NODE_REPOSITORY = 'rockpool/node';

/** What is asked for, before it is known which versions the release has: an image with this tag need not be built again. */
export function baseTag(arch: DebianArch): string {
  const recipe = {
    rules: RULES,
    release: DEBIAN_RELEASE,
    packages: NODE_PACKAGES,
    dropped: DROPPED.map(String),
    node: NODE_BINARIES[arch],
    arch,
  };
  return `${BASE_REPOSITORY}:${createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16)}`;
}

export function nodeTag(arch: DebianArch, bundleHash: string): string {
  return `${NODE_REPOSITORY}:${createHash('sha256')
    .update(`${baseTag(arch)} ${bundleHash}`)
    .digest('hex')
    .slice(0, 16)}`;
}

/** What went in, kept as a label of the base image: `name version sha256`, one after the other. */
export function provenance(packages: readonly DebianPackage[]): string {
  return packages.map(({ name, version, sha256 }) => `${name} ${version} ${sha256}`).join('; ');
}
