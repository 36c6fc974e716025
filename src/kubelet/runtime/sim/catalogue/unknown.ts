import type { ImageModel, Program } from '../model.ts';

/** An image that nobody modelled: it runs, does nothing, and says so. */
export function unknownImage(name: string): ImageModel {
  const idle: Program = async (process) => {
    await process.stdout.write(`rockpool: image "${name}" is not in the catalogue of simulated images; it runs as an idle process\n`);
    return process.serve(['TERM', 'INT']);
  };
  return { hasTag: () => true, sizeBytes: 10_000_000, memoryBytes: 1_000_000, programs: new Map(), fallback: idle };
}
