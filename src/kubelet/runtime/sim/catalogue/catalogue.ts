/** Every modelled image. A model is loaded when the first pod asks for it. */
import type { CatalogueEntry, ImageModel } from '../model.ts';

const load = (module: Promise<{ default: ImageModel }>): Promise<ImageModel> => module.then((loaded) => loaded.default);

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    repositories: ['docker.io/library/nginx', 'public.ecr.aws/nginx/nginx', 'public.ecr.aws/docker/library/nginx', 'registry.k8s.io/nginx', 'registry.k8s.io/e2e-test-images/nginx', 'docker.io/nginxinc/nginx-unprivileged'],
    load: () => load(import('./nginx.ts')),
  },
  {
    repositories: ['docker.io/library/busybox', 'registry.k8s.io/e2e-test-images/busybox', 'gcr.io/google_containers/busybox', 'registry.k8s.io/busybox', 'public.ecr.aws/docker/library/busybox', 'quay.io/prometheus/busybox'],
    load: () => load(import('./busybox.ts')),
  },
  { repositories: ['docker.io/library/alpine', 'public.ecr.aws/docker/library/alpine', 'docker.io/alpine/curl'], load: () => load(import('./alpine.ts')) },
  { repositories: ['registry.k8s.io/pause', 'k8s.gcr.io/pause', 'docker.io/rancher/mirrored-pause', 'docker.io/rockpool/pause'], load: () => load(import('./pause.ts')) },
];
