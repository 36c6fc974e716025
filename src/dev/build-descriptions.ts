import { join } from 'node:path';

/** Writes the field descriptions that `kubectl explain` shows; read from an npm package at build time, not committed. */
export async function buildDescriptions(root: string, dist: string): Promise<void> {
  const { writeDescriptions } = await import('../api/generate/descriptions.ts');
  writeDescriptions(join(root, 'node_modules/@kubernetes/client-node/dist/gen/models'), join(dist, 'descriptions.json.gz'));
}
