import type { ImageModel } from '../model.ts';
import { BUSYBOX_PROGRAMS, programTable, systemFiles, versionTags } from './base.ts';

const image: ImageModel = {
  repositories: ['docker.io/library/busybox', 'registry.k8s.io/e2e-test-images/busybox', 'gcr.io/google_containers/busybox', 'registry.k8s.io/busybox', 'public.ecr.aws/docker/library/busybox', 'quay.io/prometheus/busybox'],
  hasTag: versionTags(['stable', 'unstable'], ['uclibc', 'glibc', 'musl']),
  sizeBytes: 2_167_176,
  memoryBytes: 700_000,
  cmd: ['sh'],
  files: () => systemFiles('NAME="BusyBox"\nPRETTY_NAME="BusyBox (modelled by rockpool)"\nID=busybox\n'),
  programs: programTable(BUSYBOX_PROGRAMS),
};

export default image;
