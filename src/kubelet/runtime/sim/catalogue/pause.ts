import type { ImageModel } from '../model.ts';

const image: ImageModel = {
  repositories: ['registry.k8s.io/pause', 'k8s.gcr.io/pause', 'docker.io/rancher/mirrored-pause', 'docker.io/rockpool/pause'],
  hasTag: () => true,
  sizeBytes: 320_000,
  memoryBytes: 100_000,
  entrypoint: ['/pause'],
  programs: new Map([['/pause', (process) => process.serve(['TERM', 'INT'])]]),
};

export default image;
