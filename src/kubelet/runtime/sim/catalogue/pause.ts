import type { ImageModel } from '../model.ts';

const image: ImageModel = {
  hasTag: () => true,
  sizeBytes: 320_000,
  memoryBytes: 100_000,
  entrypoint: ['/pause'],
  programs: new Map([['/pause', (process) => process.serve(['TERM', 'INT'])]]),
};

export default image;
